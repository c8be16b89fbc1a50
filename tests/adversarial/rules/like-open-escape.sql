city LIKE 'a\'
