points
