city IN ('x', NULL)
