city LIKE '.*'
