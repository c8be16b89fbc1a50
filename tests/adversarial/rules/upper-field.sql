CITY = 'Seattle'
