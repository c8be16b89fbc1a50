city = 'x' UNION SELECT email FROM people
