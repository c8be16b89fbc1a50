points / points = 1
