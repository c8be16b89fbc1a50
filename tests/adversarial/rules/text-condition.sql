city
