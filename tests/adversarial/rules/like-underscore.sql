city LIKE 'a\_b%'
