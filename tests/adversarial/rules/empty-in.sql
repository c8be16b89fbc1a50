points IN ()
