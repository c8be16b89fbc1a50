city = 'x' -- AND points > 5
