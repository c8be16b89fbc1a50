CAST(points AS text) = '7'
