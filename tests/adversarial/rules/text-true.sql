vip = 'true'
