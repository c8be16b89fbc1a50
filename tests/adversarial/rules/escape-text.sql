city = E'x'
