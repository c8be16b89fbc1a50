vip AND
