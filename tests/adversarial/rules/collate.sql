city = 'x' COLLATE nocase
