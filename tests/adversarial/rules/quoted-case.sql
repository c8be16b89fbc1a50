"City" = 'x'
