сity = 'Seattle'
