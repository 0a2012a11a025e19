"""What compiled kernels share: the plain formula, additions to exact sums, and how arrays are passed."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.compiling import kernel

_Array = TypeVar("_Array", bound=npt.NDArray[Any])

ANY_ORDER = {"reassoc", "contract"}
"""What the compiler may do to sums that bounds are made of, so that it finds vector code."""


def read_only(array: _Array) -> _Array:
    """Return the array as one that can't be written to, as a memory-mapped split can't.

    A function is compiled anew for every kind of array, and this is a kind of its own.
    """
    view = array.view()
    view.flags.writeable = False
    return view


@njit(inline="always")
def squared_distance(points, i, centroids, k):  # type: ignore[no-untyped-def]
    """Add up the squared differences of points[i] and centroids[k], in column order: the plain formula."""
    total = 0.0
    for c in range(points.shape[1]):
        difference = points[i, c] - centroids[k, c]
        total += difference * difference
    return total


@njit(inline="always")
def add_row(row, constants, sums, key):  # type: ignore[no-untyped-def]
    """Cut a row, shape (d,), as `SumGrid.cut` does, and add its limbs to sums[key].

    `constants` has shape (limbs - 1, d), from `SumGrid.constants`; `sums` has shape (k, limbs * d).
    The row is used up. To subtract one, add its negative: it is cut at the same places, and one loop that
    writes to two sums takes three times as long as this one. The inner loops run over columns, so that they
    become vector code. That needs an unsigned key, as does every index in these kernels that comes from
    an array: a negative one would count from the end. A call, or a view of an array as its argument,
    would cost more than all the rest.
    """
    cuts, d = constants.shape
    for limb in range(cuts):
        at = limb * d
        for c in range(d):
            high = (row[c] + constants[limb, c]) - constants[limb, c]
            sums[key, at + c] += high
            row[c] -= high
    at = cuts * d
    for c in range(d):
        sums[key, at + c] += row[c]


@kernel
def add_numbers(labels, numbers, constants, counts, sums):  # type: ignore[no-untyped-def]
    """Count numbers, shape (n,), by their labels, and add their limbs to sums of shape (k, limbs).

    `constants` has shape (limbs - 1, 1), from `SumGrid.constants` of one column.
    """
    for r in range(len(labels)):
        label, rest = np.uint64(labels[r]), numbers[r]
        counts[label] += 1
        for limb in range(len(constants)):
            high = (rest + constants[limb, 0]) - constants[limb, 0]
            sums[label, limb] += high
            rest -= high
        sums[label, -1] += rest
