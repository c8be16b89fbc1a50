city LIKE '(a+)+$'
