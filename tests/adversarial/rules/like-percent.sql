city LIKE '100\%'
