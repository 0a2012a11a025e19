"""What runs on workers that are not ours, Spark's executors and Dask's workers; needs no wire."""
