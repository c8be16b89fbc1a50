NOT (1 / points > 0)
