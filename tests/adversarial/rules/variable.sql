points = @x
