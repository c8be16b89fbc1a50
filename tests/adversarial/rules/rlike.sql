city RLIKE '(a+)+$'
