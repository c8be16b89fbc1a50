city LIKE 'a_b\\c'
