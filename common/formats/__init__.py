"""How input files are stored: one module a format.

Each has a class whose objects stand for one opened file, with the file's `input` (what the workers
need to know) and `split(bounds)` (its rows in parts), and a function `read_blocks(input, split)` that
reads one part's rows, checked.
"""
