WHERE city = 'x'
