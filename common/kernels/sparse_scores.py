"""Labels of sparse rows by scores in float32, where these leave no doubt.

The centroids stand in blocks of sixteen: the numbers that a column has there fill one line of the cache and
one vector. A number of a row costs one multiplication of vectors for each block.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from common.kernels.compiling import kernel
from common.kernels.limbs import ANY_ORDER
from common.kernels.nearest.rounding import Rounding, margin_of
from common.kernels.sparse import SparseRows
from common.kernels.vectors import add_product, in_all_lanes, in_loop, load_numbers, store_numbers
from common.model import FloatArray, IntArray, LongArray

_LANES = 16
_LARGEST_MARGIN = 1e30
"""Below it, no score is beyond float32."""

Singles = npt.NDArray[np.float32]


class _Blocks(NamedTuple):
    """Centroids as blocks, all scores times a power of two, which brings the centroids to near 1."""

    doubled: Singles  # (blocks, d, lanes): 2 c
    squares: Singles  # (k,): |c|²
    scale: float
    length: float  # of the longest centroid, scaled


def certain_labels(
    rows: SparseRows, centroids: FloatArray, squares: FloatArray, rounding: Rounding, labels: IntArray
) -> LongArray:
    """Find labels, shape (n,); return the indexes of the rows whose label is in doubt.

    `squares` are the squared lengths of the centroids, shape (k, d). `rounding` bounds the errors that
    scores in float64 have, and the plain formula.
    """
    doubtful = np.empty(len(rows), np.bool_)
    _scan(rows.kept, _blocks_of(centroids, squares), rounding, labels, doubtful)
    return np.flatnonzero(doubtful)


def _blocks_of(centroids: FloatArray, squares: FloatArray) -> _Blocks:
    k, d = centroids.shape
    blocks = -(-k // _LANES)
    scale = np.ldexp(1.0, -max(int(np.frexp(np.abs(centroids).max())[1]), -1000))
    doubled = np.zeros((blocks, d, _LANES), np.float32)
    with np.errstate(over="ignore", under="ignore"):  # then all is in doubt
        bases = (squares * scale).astype(np.float32)
        for block, own in zip(doubled, range(0, k, _LANES), strict=True):
            part = centroids[own : own + _LANES]
            block[:, : len(part)] = (part * (2.0 * scale)).T
    return _Blocks(doubled, bases, float(scale), float(np.sqrt(squares.max()) * scale))


@intrinsic
def _add_products(_, values, places, first, stop, table, block, sums):  # type: ignore[no-untyped-def]
    """Write to sums[block] the numbers of a row, values[first:stop], times the vectors of their columns.

    The compiler makes no vectors of a loop over lanes.
    """
    kinds = types.void(values, places, types.int64, types.int64, table, types.int64, sums)
    return kinds, _write_products


def _write_products(context, builder, kinds, given):  # type: ignore[no-untyped-def]
    """Write the compiler's code for `_add_products`; all arrays are contiguous."""
    _, _, first, stop, _, block, _ = given
    values, places, table, sums = (
        context.make_array(kinds.args[at])(context, builder, given[at]) for at in (0, 1, 4, 6)
    )
    vector = ir.VectorType(ir.FloatType(), _LANES)
    above = builder.mul(block, cgutils.unpack_tuple(builder, table.shape, 3)[1])

    def add(p, totals):  # type: ignore[no-untyped-def]
        value, column = (builder.load(builder.gep(array.data, [p])) for array in (values, places))
        single = value if value.type == vector.element else builder.fptrunc(value, vector.element)
        start = start_of(builder.add(above, builder.zext(column, p.type)))
        of_column = load_numbers(builder, table, start, vector.count)
        return [add_product(builder, totals[0], in_all_lanes(builder, single, vector), of_column)]

    def start_of(index):  # type: ignore[no-untyped-def]
        return builder.mul(index, ir.Constant(index.type, _LANES))

    (total,) = in_loop(builder, first, stop, [ir.Constant(vector, [0.0] * _LANES)], add)
    store_numbers(builder, total, sums, start_of(block))
    return context.get_dummy_value()


@njit(inline="always")
def _least_two(squares, products):  # type: ignore[no-untyped-def]
    """Return the label of the least score, the score, and the second least: without a branch."""
    label, least, second = 0, squares[0] - products[0, 0], np.float32(np.inf)
    for j in range(1, len(squares)):
        score = squares[j] - products[j // _LANES, j % _LANES]
        second = min(second, max(least, score))
        label = j if score < least else label
        least = min(score, least)
    return label, least, second


@kernel(fastmath=ANY_ORDER)
def _scan(rows, blocks, rounding, labels, doubtful):  # type: ignore[no-untyped-def]
    products = np.empty((len(blocks.doubled), _LANES), np.float32)
    for i in range(len(labels)):
        start, stop, square = rows.starts[i], rows.starts[i + 1], 0.0
        for b in range(len(products)):
            _add_products(rows.values, rows.places, start, stop, blocks.doubled, b, products)  # type: ignore[call-arg]
        for p in range(start, stop):
            square += np.float64(rows.values[p]) * np.float64(rows.values[p])
        labels[i], least, second = _least_two(blocks.squares, products)
        # That is the most that rounding may take of two scores, and what vanishes in products.
        reach = blocks.length * (blocks.length / blocks.scale + 2.0 * np.sqrt(square))
        roundings = stop - start + 6
        margin = blocks.scale * margin_of(square, rounding) + roundings * (2.0**-22 * reach + 2.0**-120)
        doubtful[i] = not (second - least > margin and margin < _LARGEST_MARGIN)
