ci​ty = 'Seattle'
