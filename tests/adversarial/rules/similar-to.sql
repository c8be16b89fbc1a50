city SIMILAR TO '(a+)+'
