city = 'x' # y
