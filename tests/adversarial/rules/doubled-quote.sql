city = 'O''Brien'
