vip aNd NoT pOiNtS iS nUlL
