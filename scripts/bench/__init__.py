"""The benchmarks: `make bench`, or `python -m scripts.bench --help`.

`speedup.py` and `classification.py` (`make bench-classification`) are benchmarks of their own.

`workloads.py` is the table of what is measured, `competitors.py` the table of who is measured on it.
"""
