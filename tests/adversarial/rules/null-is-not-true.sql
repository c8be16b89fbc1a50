(points > 5) IS NOT TRUE
