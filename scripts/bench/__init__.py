"""The benchmark: `make bench`, or `python -m scripts.bench --help`.

`speedup.py` is one of its own, and so is `classification.py` (`make bench-classification`).
`workloads.py` is the table of what is measured, `competitors.py` the table of who is measured on it.
"""
