id IN (SELECT id FROM people)
