city LIKE email
