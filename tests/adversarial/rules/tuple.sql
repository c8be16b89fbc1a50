(city, points) = ('Seattle', 100)
