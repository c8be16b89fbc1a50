city = 'x' OR 1 = 1
