round(points) > 9e18
