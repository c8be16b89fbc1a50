city = 'O\'Brien'
