load_extension('x.so') IS NULL
