"""What master, mappers and reducers share: words, jobs, kernels, files and the wire."""

__version__ = "0.1.0"
