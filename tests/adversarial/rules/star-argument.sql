length(*) = 5
