city = "Seattle"
