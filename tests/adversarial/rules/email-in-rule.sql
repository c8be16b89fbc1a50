email LIKE 'kestrelova%'
