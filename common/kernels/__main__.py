"""Compile the kernels now, so that the first large run need not wait: `python -m common.kernels`.

numba keeps what it compiled beside the source, or in the user's cache folder if that can't be written.
"""

from common.kernels.ready import make_ready

if __name__ == "__main__":
    make_ready("float64", "float32")
