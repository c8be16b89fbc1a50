abs(points) >= 0
