points > '100'
