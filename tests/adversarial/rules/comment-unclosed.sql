city = 'x' /* y
