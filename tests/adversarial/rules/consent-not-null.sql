consent.news IS NULL
