"""What a checkpoint holds of a start, checked before it is used."""

import numpy as np

from common.kernels.exact import LARGEST_MAGNITUDE
from master.algorithms.base import Progress


def check_start(was: Progress, k: int, columns: int) -> int:
    """Return how many iterations a start has run; ValueError if this is no start's progress."""
    if was.keys() != {"n_iter", "shift", "centroids"}:
        raise ValueError(f"a start with {', '.join(was)}")
    n_iter, shift, centroids = was["n_iter"], was["shift"], was["centroids"]
    if [array.dtype.str[1:] for array in (n_iter, shift, centroids)] != ["i8", "f8", "f8"]:
        raise ValueError("a start's numbers have other types")
    if (n_iter.shape, shift.shape, centroids.shape) != ((), (), (k, columns)):
        raise ValueError(f"a start with centroids of shape {centroids.shape}, not {(k, columns)}")
    is_begun = n_iter >= 0 and shift >= 0 and np.isinf(shift) == (n_iter == 0)
    if not (is_begun and np.all(abs(centroids) <= LARGEST_MAGNITUDE)):
        raise ValueError("a start's numbers are out of range")
    return int(n_iter)
