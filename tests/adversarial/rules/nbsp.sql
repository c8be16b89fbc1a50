city = 'Seattle'
