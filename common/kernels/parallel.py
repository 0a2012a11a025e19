"""Threads that share the rows of one call."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, pairwise
from typing import TypeVar

import numpy as np

from common.kernels.sparse import SparseRows
from common.model import Rows

_THREAD_NUMBERS = 1 << 17
"""Fewer are not worth a thread."""
_T = TypeVar("_T")


def in_parallel(work: Callable[[slice], list[_T]], rows: Rows | SparseRows, threads: int) -> list[_T]:
    """Do the work on equal parts of the rows, one a thread; NumPy and compiled code let others run."""
    n, much = len(rows), rows.size if isinstance(rows, np.ndarray | SparseRows) else 2 * len(rows)
    parts = max(1, min(threads, n, much // _THREAD_NUMBERS))
    bounds = [n * i // parts for i in range(parts + 1)]
    own, *others = [slice(*pair) for pair in pairwise(bounds)]
    if not others:
        return work(own)
    with ThreadPoolExecutor(len(others)) as pool:
        found = pool.map(work, others)
        return [*work(own), *chain.from_iterable(found)]
