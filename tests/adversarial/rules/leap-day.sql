born = DATE '2000-02-29'
