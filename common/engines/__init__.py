"""What of the Spark and Dask engines runs on their workers."""
