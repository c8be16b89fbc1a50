city LIKE '_____'
