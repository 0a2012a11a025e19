"""What compiled kernels share: the plain formula, additions to exact sums, and how arrays are passed."""

from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.compiling import kernel, written_kernel
from common.kernels.exact import HALVING

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


@cache
def row_mover(columns: int, limbs: int) -> Any:
    """Return the compiled function that moves rows of so many columns from sum to sum.

    move(points, rows, old, new, constants, sums): cut the rows as `SumGrid.cut` does, add the limbs to
    sums[new] and subtract them from sums[old], if there are such sums. `constants` has shape (limbs - 1,
    d), from `SumGrid.constants`; `sums` has shape (k, limbs * d). With both numbers known, the loop over
    columns becomes vector code without a remainder; one loop that writes to two sums would take longer than
    two.
    """
    add = "\n".join(
        f"""
                high = (rest + constants[{limb}, c]) - constants[{limb}, c]
                sums[key, {limb * columns} + c] += high
                rest -= high"""
        for limb in range(limbs - 1)
    )
    source = f"""
def move_{columns}_{limbs}(points, rows, old, new, constants, sums):
    for sign, keys in ((1.0, new), (-1.0, old)):
        for r in range(len(rows)):
            i, key = rows[r], keys[r]
            if key >= len(sums):
                continue
            for c in range({columns}):
                rest = sign * points[i, c]{add}
                sums[key, {(limbs - 1) * columns} + c] += rest
"""
    return written_kernel(f"move_{columns}_{limbs}", source, __file__)


@njit(inline="always")
def _add_row(row, constants, sums, key):  # type: ignore[no-untyped-def]
    """Cut a row, shape (d,), as `SumGrid.cut` does, and add its limbs to sums[key]; the row is used up.

    A call, or a view of an array as its argument, would cost more than all the rest.
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


@njit(inline="always")
def low_part(a, b, product):  # type: ignore[no-untyped-def]
    """Return what rounding took away from the product of two numbers, as `two_product` does."""
    scaled_a, scaled_b = a * HALVING, b * HALVING
    a_high, b_high = scaled_a - (scaled_a - a), scaled_b - (scaled_b - b)
    a_low, b_low = a - a_high, b - b_high
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


@kernel
def add_weighted(labels, rows, weights, constants, counts, sums):  # type: ignore[no-untyped-def]
    """Add rows times their weights, shape (n, d) and (n,), and the weights, to exact sums, by label.

    `constants` has shape (limbs - 1, d + 1), from `SumGrid.constants`; `sums` has shape (k, limbs * (d + 1)).
    `counts` counts the rows, of which those of weight 0 are none.
    """
    d = rows.shape[1]
    high, low = np.empty(d + 1), np.empty(d + 1)
    for r in range(len(labels)):
        label, weight = np.uint64(labels[r]), weights[r]
        if weight == 0:
            continue
        for c in range(d):
            high[c] = rows[r, c] * weight
            low[c] = low_part(rows[r, c], weight, high[c])
        high[d], low[d] = weight, 0.0
        counts[label] += 1
        _add_row(high, constants, sums, label)
        _add_row(low, constants, sums, label)


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
