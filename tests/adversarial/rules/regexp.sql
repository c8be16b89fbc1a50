city REGEXP '(a+)+$'
