length() = 5
