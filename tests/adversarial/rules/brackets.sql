[city] = 'x'
