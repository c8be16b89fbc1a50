days_since(born) = 0
