points * points > 0
