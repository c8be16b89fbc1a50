random() < 0.5
