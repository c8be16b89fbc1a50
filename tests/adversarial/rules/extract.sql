EXTRACT(year FROM born) = 1990
