LENGTH(city) = 7
