days_since(born) IS NULL
