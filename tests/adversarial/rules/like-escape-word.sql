city LIKE '100!%' ESCAPE '!'
