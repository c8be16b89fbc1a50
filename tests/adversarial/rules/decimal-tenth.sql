revenue = 0.1
