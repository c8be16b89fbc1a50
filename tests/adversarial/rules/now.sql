seen < now()
