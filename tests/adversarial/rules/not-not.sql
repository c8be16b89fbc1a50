NOT NOT vip
