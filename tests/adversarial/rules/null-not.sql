NOT (points > 5)
