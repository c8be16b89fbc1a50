coalesce(city, points) = 'x'
