points LIKE '1%'
