"""What the machine itself could do at best: its rate of arithmetic and of reading, measured.

Plain K-Means computes rows × K distances an iteration, each a multiplication and an addition a column, and
reads all rows. The limit of a fit is the longer of the two at the machine's best rates. A fit that need not
compute all distances can pass the limit.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from threadpoolctl import threadpool_limits

_SIDE = 2048  # of the matrices of the product: large enough for the library to reach its best rate
_BYTES = 256 << 20  # more than any cache holds
_TRIES = 3


def fit_limit_s(rows: int, columns: int, k: int, iterations: int, itemsize: int, threads: int) -> float:
    """Return the seconds below which plain K-Means cannot come, with distances in float32."""
    arithmetic_s = 2 * rows * columns * k / operations_per_s(threads)
    reading_s = rows * columns * itemsize / bytes_per_s(threads)
    return iterations * max(arithmetic_s, reading_s)


@cache
def operations_per_s(threads: int) -> float:
    """Return the rate of a product of two matrices in float32."""
    a, b = np.random.default_rng(0).normal(size=(2, _SIDE, _SIDE)).astype(np.float32)
    with threadpool_limits(threads):
        return 2 * _SIDE**3 / _least_s(lambda: a @ b)


@cache
def bytes_per_s(threads: int) -> float:
    """Return the rate at which threads read memory, each a part of its own."""
    parts = np.array_split(np.ones(_BYTES // 8), threads)
    with ThreadPoolExecutor(threads) as pool:
        return _BYTES / _least_s(lambda: list(pool.map(np.max, parts)))


def _least_s(work: Callable[[], object]) -> float:
    times_s = []
    for _ in range(_TRIES):
        began_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - began_s)
    return min(times_s)
