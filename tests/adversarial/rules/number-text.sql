city > 100
