"""What the machine itself could do at best: its rate of arithmetic and of reading, measured.

Plain K-Means computes rows × K distances an iteration, each a multiplication and an addition a column, and
reads all rows. The limit of an iteration is the longer of the two at the machine's best rates. A fit that
need not compute all distances can pass the limit.
"""

import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from common.model import FloatArray
from scripts.bench.quiet import wait_until_quiet

_SIDE = 2048  # of the matrices of the product: large enough for the library to reach its best rate
_LEAST_BYTES = 256 << 20  # to read at a time, again and again if the array is smaller
_TRIES = 3


def iteration_limit_s(rows: int, columns: int, k: int, itemsize: int, threads: int) -> float:
    """Return the least seconds of an iteration of plain K-Means with distances in float32."""
    arithmetic_s = 2 * rows * columns * k / operations_per_s(threads)
    size = rows * columns * itemsize
    reading_s = size / bytes_per_s(size, threads)
    return max(arithmetic_s, reading_s)


@cache
def operations_per_s(threads: int) -> float:
    """Return the rate of a product of two matrices in float32."""
    from threadpoolctl import threadpool_limits

    a, b = np.random.default_rng(0).normal(size=(2, _SIDE, _SIDE)).astype(np.float32)
    with threadpool_limits(threads):
        return 2 * _SIDE**3 / _least_s(lambda: a @ b)


@cache
def bytes_per_s(size: int, threads: int) -> float:
    """Return the rate at which threads read an array, each a part of it; a small one is in the cache."""
    parts = np.array_split(np.ones(size // 8), threads)
    times = -(-_LEAST_BYTES // size)

    def read(part: FloatArray) -> None:
        for _ in range(times):
            part.max()

    with ThreadPoolExecutor(threads) as pool:
        return times * size / _least_s(lambda: list(pool.map(read, parts)))


def _least_s(work: Callable[[], object]) -> float:
    """Return the least time of some tries at a quiet moment."""
    wait_until_quiet()
    return min(timeit.repeat(work, number=1, repeat=_TRIES))
