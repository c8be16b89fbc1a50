"city" = 'Seattle'
