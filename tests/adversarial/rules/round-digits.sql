round(revenue, 16) > 0
