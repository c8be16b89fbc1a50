trim(city) = 'Seattle'
