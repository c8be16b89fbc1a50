row_number() OVER (ORDER BY id) = 1
