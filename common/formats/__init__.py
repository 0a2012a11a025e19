"""How input files are stored and read: one module a format, named as in `InputFormat`.

Such a module has the functions of `dataset.Format`. If its files can hold rows as they are wanted, it also
has `view(source, split)`, which maps a split's rows without checking them, or returns None.
"""
