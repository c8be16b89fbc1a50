revenue * 1e10 - revenue * 1e10 > 5
