city = X'41'
