length(DISTINCT city) = 5
