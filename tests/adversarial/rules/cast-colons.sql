points::text = '7'
