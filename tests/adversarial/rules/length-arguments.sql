length(city, 1) = 5
