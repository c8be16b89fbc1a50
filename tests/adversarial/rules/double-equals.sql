city == 'Seattle'
