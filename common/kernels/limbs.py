"""What compiled kernels share: the plain formula, additions to exact sums, and how arrays are passed."""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from common.kernels.compiling import kernel
from common.kernels.exact import HALVING
from common.kernels.vectors import (
    for_columns,
    in_all_lanes,
    in_loop,
    load_numbers,
    store_numbers,
    vector_of,
)

_USUAL_CUTS = 2
"""Of a number into limbs, nearly always: a loop costs more than two of them."""

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


@kernel
def move_rows(points, rows, old, new, constants, sums):  # type: ignore[no-untyped-def]
    """Move rows from sums[old] to sums[new], cut as `SumGrid.cut` does; a key beyond the sums is no cluster.

    `constants` has shape (limbs - 1, d), from `SumGrid.constants`; `sums` has shape (k, limbs * d). They and
    the points are contiguous.
    """
    for sign, keys in ((1.0, new), (-1.0, old)):
        for r in range(len(rows)):
            if keys[r] < len(sums):
                _add_limbs(points, rows[r], sign, constants, sums, keys[r])  # type: ignore[call-arg]


@intrinsic
def _add_limbs(_, points, row, sign, constants, sums, key):  # type: ignore[no-untyped-def]
    """Add the limbs of a row times a sign to sums[key]."""
    given = points, types.int64, types.float64, constants, sums, types.int64
    return types.void(*given), _write_adding


def _write_adding(context, builder, kinds, given):  # type: ignore[no-untyped-def]
    """Write the compiler's code for `_add_limbs`; all arrays are contiguous."""
    points, row, sign, constants, sums, key = (
        context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(kinds.args, given, strict=True)
    )
    cuts, columns = cgutils.unpack_tuple(builder, constants.shape, 2)
    _, sum_width = cgutils.unpack_tuple(builder, sums.shape, 2)
    row_start, sum_start = builder.mul(row, columns), builder.mul(key, sum_width)

    def in_all_cuts(cut_off, x):  # type: ignore[no-untyped-def]
        return in_loop(builder, cuts.type(0), cuts, [x], lambda limb, rest: [cut_off(limb, *rest)])[0]

    def in_usual_cuts(cut_off, x):  # type: ignore[no-untyped-def]
        for limb in range(_USUAL_CUTS):
            x = cut_off(cuts.type(limb), x)
        return x

    def add_row(in_cuts):  # type: ignore[no-untyped-def]
        def add_columns(width, column):  # type: ignore[no-untyped-def]
            def place_of(limb, start):  # type: ignore[no-untyped-def]
                return builder.add(builder.add(start, builder.mul(limb, columns)), column)

            def add_limb(limb, numbers):  # type: ignore[no-untyped-def]
                place = place_of(limb, sum_start)
                before = load_numbers(builder, sums, place, width)
                store_numbers(builder, builder.fadd(before, numbers), sums, place)

            def cut_off(limb, rest):  # type: ignore[no-untyped-def]
                """Add a limb to its sum; return what is left."""
                constant = load_numbers(builder, constants, place_of(limb, cuts.type(0)), width)
                high = builder.fsub(builder.fadd(rest, constant), constant)
                add_limb(limb, high)
                return builder.fsub(rest, high)

            doubles = ir.VectorType(ir.DoubleType(), width)
            x = load_numbers(builder, points, builder.add(row_start, column), width)
            x = x if x.type == doubles else builder.fpext(x, doubles)
            add_limb(cuts, in_cuts(cut_off, builder.fmul(x, in_all_lanes(builder, sign, doubles))))

        for_columns(builder, columns, vector_of(ir.DoubleType()).count, add_columns)

    with builder.if_else(builder.icmp_unsigned("==", cuts, cuts.type(_USUAL_CUTS))) as (usual, others):
        with usual:
            add_row(in_usual_cuts)
        with others:
            add_row(in_all_cuts)
    return context.get_dummy_value()


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
