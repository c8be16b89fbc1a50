city = '‮elttaeS'
