points = −5
