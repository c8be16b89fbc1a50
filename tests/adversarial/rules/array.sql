city = ARRAY['x']
