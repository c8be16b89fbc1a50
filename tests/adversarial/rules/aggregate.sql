points > avg(points)
