length(city) = 5
