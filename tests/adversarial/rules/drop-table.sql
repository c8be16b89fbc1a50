city = 'x'; DROP TABLE people
