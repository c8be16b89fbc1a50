revenue * 1e10 > 1e308
