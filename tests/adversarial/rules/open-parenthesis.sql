((vip)
