year(born) <> 1990
