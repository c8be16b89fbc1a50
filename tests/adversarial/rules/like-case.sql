city LIKE 'seattle'
