"""The engine on Dask."""
