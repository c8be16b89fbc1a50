`city` = 'x'
