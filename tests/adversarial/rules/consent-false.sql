NOT consent.news
