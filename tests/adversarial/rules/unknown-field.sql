ctiy = 'x'
