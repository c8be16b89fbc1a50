"city = 1
