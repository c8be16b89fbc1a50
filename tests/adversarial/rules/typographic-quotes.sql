city = ‘Seattle’
