city LIKE ''
