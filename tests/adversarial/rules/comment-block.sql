city /* x */ = 'x'
