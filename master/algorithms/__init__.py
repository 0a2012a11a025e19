"""The algorithms, one package each: a loop that asks an engine to run jobs."""
