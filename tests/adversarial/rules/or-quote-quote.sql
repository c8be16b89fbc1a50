city = '' OR '' = ''
