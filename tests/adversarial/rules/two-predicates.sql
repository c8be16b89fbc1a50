vip points > 5
