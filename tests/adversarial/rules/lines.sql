vip
  AND
	points > 5
