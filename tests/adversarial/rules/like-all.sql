city LIKE '%'
