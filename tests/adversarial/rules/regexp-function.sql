regexp_like(city, 'a')
