revenue = -0.0
