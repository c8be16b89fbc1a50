points = ?
