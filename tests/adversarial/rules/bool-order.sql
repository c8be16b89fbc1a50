vip > FALSE
