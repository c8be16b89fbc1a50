city = N'x'
