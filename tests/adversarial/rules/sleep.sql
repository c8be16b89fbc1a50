sleep(10) = 0
