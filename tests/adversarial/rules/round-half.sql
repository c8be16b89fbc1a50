round(revenue) = -1
