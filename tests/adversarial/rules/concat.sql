city || 'x' = 'y'
