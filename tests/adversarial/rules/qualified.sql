people.city = 'x'
