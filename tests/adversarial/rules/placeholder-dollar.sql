points = $1
