1 / points > 0
