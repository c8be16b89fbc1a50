points > ANY (SELECT 1)
