points IN (100, 7)
