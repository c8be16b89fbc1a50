city ≠ 'Seattle'
