count(*) > 1
