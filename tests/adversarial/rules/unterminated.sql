city = 'Seattle
