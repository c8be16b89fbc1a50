city = $$x$$
