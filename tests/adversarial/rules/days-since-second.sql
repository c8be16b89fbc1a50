days_since(seen) = 1
