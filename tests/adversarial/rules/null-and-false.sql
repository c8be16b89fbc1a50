(points > 5) AND FALSE
