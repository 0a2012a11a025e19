"""Spark and Dask clusters on this machine, to try the engines on."""
