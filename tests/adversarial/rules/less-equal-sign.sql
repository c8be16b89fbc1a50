points ≤ 5
