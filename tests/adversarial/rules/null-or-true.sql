(points > 5) OR TRUE
