city ~ '(a+)+$'
