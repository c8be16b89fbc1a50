points + 1 IS NULL
