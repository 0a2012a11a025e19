"""The benchmark: `make bench`, or `python -m scripts.bench --help`.

`workloads.py` lists what is measured; `ours.py` runs the command line, `peers.py` the other libraries, each
in processes of their own; `measure.py` times, `report.py` and `plots.py` show.
"""
