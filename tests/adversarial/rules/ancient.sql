born < DATE '0001-01-01'
