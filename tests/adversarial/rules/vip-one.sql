vip = 1
