city LIKE '[A-Z]%'
