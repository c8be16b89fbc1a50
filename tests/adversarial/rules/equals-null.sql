city = NULL
