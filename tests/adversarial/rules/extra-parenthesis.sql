(vip))
