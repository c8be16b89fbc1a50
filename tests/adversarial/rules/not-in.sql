city NOT IN ('Seattle')
