points % 2 = 0
