"""The two nearest centroids of each row by one fused loop: no array of products is ever written.

Rows are copied to a tile. In a panel of it the rows stand side by side: what they have in a column is one
line, two vectors. A panel stays in a near cache while all centroids pass by, some at a time. Their scores
grow in registers, column by column; then the least two of each row are kept, and the label of the least.
Products of matrices would write their results to memory, to be read again.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from common.kernels.compiling import kernel
from common.kernels.vectors import (
    CACHE_LINE_BYTES,
    MANY_REGISTERS,
    Floats,
    add_product,
    bytes_of,
    empty_lines,
    fetch_ahead,
    for_columns,
    in_all_lanes,
    in_loop,
    joined,
    lanes_of,
    line_of,
    load_numbers,
    store_numbers,
    turned,
    vector_of,
)
from common.model import FloatArray

_AT_ONCE = 8 if MANY_REGISTERS else 4
"""Centroids whose scores grow at once, all in registers."""

_MOST_TURNED = 8
"""Columns that are turned at once, a power of two; more need more registers."""

_TILE_NUMBERS = 1 << 14
"""Of a tile, if a panel has no more: they stay in the core's nearest caches."""
_MOST_PANELS = 16


class Frame(NamedTuple):
    """How rows are moved and scaled before they are compared."""

    offset: FloatArray  # (d,): a point amid the data
    scale: float


class Table(NamedTuple):
    """Centroids as they are compared; the last group is filled up with some whose scores are infinite."""

    factors: Floats  # (groups, d, at once): -2 c
    squares: Floats  # (groups * at once,): |c|²


class Tile(NamedTuple):
    """Some rows, and what is found of them; used again for the next ones."""

    numbers: Floats  # (panels, d, lanes)
    least: Floats  # (panels * lanes,): the least score
    second: Floats  # the same: the second least
    squares: Floats  # the same: |x|²
    labels: npt.NDArray[np.uint32]  # the same: of the centroid with the least score


def table_of(centroids: Floats, squares: Floats) -> Table:
    """Arrange centroids, shape (k, d), and their squared lengths, to be compared."""
    k, d = centroids.shape
    places = -(-k // _AT_ONCE) * _AT_ONCE
    filled, filled_squares = np.zeros((places, d), centroids.dtype), np.full(places, np.inf, squares.dtype)
    filled[:k], filled_squares[:k] = centroids, squares
    groups = filled.reshape(-1, _AT_ONCE, d).transpose(0, 2, 1)
    return Table(np.multiply(groups, -2, order="C"), filled_squares)


def empty_tile(columns: int, dtype: np.dtype[Any]) -> Tile:
    """Make room for as many rows as the core's caches hold."""
    lanes = lanes_of(dtype)
    panels = min(_MOST_PANELS, max(1, _TILE_NUMBERS // (columns * lanes)))
    numbers = empty_lines((panels, columns, lanes), dtype)
    least, second, squares = (np.empty(panels * lanes, dtype) for _ in range(3))
    return Tile(numbers, least, second, squares, labels=np.empty(panels * lanes, np.uint32))


@kernel
def compare(points, rows, frame, tile, table):  # type: ignore[no-untyped-def]
    """Copy the first of some rows, as many as fit, to a tile, and find their nearest centroids."""
    numbers, least, second, squares, labels = tile
    lanes = numbers.shape[2]
    for panel in range(min(len(numbers), -(-len(rows) // lanes))):
        for lane in (0, lanes // 2):
            _fill(panel, lane, points, rows, frame.offset, frame.scale, numbers)  # type: ignore[call-arg]
        _compare(  # type: ignore[call-arg]
            *(panel, points, rows, numbers, table.factors, table.squares, least, second, squares, labels)
        )


@intrinsic
def _fill(_, panel, lane, points, rows, offset, scale, numbers):  # type: ignore[no-untyped-def]
    """Copy some rows, less the offset and scaled, to half of a panel's lanes, from `lane` on."""
    given = types.int64, types.int64, points, rows, offset, types.float64, numbers
    return types.void(*given), _write_filling


def _write_filling(context, builder, kinds, given):  # type: ignore[no-untyped-def]
    """Write the compiler's code for `_fill`; all arrays are contiguous."""
    panel, first_lane, scale = given[0], given[1], given[5]
    points, rows, offset, numbers = (
        context.make_array(kinds.args[at])(context, builder, given[at]) for at in (2, 3, 4, 6)
    )
    vector = vector_of(numbers.data.type.pointee)
    _, columns, lanes = cgutils.unpack_tuple(builder, numbers.shape, 3)
    panel_row = builder.mul(panel, lanes)
    panel_start = builder.add(builder.mul(panel_row, columns), first_lane)
    first_row = builder.add(panel_row, first_lane)
    starts = [
        _row_start(builder, rows, columns, builder.add(first_row, first_row.type(lane)))
        for lane in range(vector.count)
    ]
    doubles = ir.VectorType(ir.DoubleType(), vector.count)
    scales = in_all_lanes(builder, scale, doubles)

    def copy_columns(width, column):  # type: ignore[no-untyped-def]
        """Copy so many columns: a vector takes a few rows of them, and vectors are turned."""

        def numbers_of(array, start):  # type: ignore[no-untyped-def]
            return load_numbers(builder, array, builder.add(start, column), width)

        middle = joined(builder, [numbers_of(offset, column.type(0))] * (vector.count // width))
        scaled_middle = builder.fmul(builder.fneg(middle), scales)
        of_rows = []
        for some in (starts[i::width] for i in range(width)):
            x = joined(builder, [numbers_of(points, start) for start in some])
            wide = x if x.type == doubles else builder.fpext(x, doubles)
            # The scale is a power of two: but for underflow, only the difference is rounded.
            moved = add_product(builder, scaled_middle, wide, scales)
            of_rows.append(moved if vector == doubles else builder.fptrunc(moved, vector))
        for j, of_column in enumerate(turned(builder, of_rows)):
            at = builder.mul(builder.add(column, column.type(j)), lanes)
            store_numbers(builder, of_column, numbers, builder.add(panel_start, at))

    for_columns(builder, columns, min(_MOST_TURNED, vector.count), copy_columns)
    return context.get_dummy_value()


def _row_start(builder, rows, columns, index):  # type: ignore[no-untyped-def]
    """Return where in the points the row is that has an index in `rows`; the last row, if none has."""
    (given,) = cgutils.unpack_tuple(builder, rows.shape, 1)
    last = builder.sub(given, given.type(1))
    index = builder.select(builder.icmp_signed("<", index, last), index, last)
    row = builder.load(builder.gep(rows.data, [index]))
    return builder.mul(builder.zext(row, columns.type), columns)


@intrinsic
def _compare(_, panel, points, rows, numbers, factors, of_centroids, least, second, of_rows, labels):  # type: ignore[no-untyped-def]
    """Find the nearest centroids of a panel's rows."""
    given = types.int64, points, rows, numbers, factors, of_centroids, least, second, of_rows, labels
    return types.void(*given), _write_comparison


def _write_comparison(context, builder, kinds, given):  # type: ignore[no-untyped-def]
    """Write the compiler's code for `_compare`; all arrays are contiguous."""
    panel, *arrays = given
    points, rows, numbers, factors, of_centroids, *found = (
        context.make_array(kind)(context, builder, array)
        for kind, array in zip(kinds.args[1:], arrays, strict=True)
    )
    line = line_of(numbers.data.type.pointee)
    groups, columns, at_once = cgutils.unpack_tuple(builder, factors.shape, 3)
    none, lanes = columns.type(0), columns.type(line.count)
    row = builder.mul(panel, lanes)
    panel_start = builder.mul(row, columns)
    fetch_share = _fetching(builder, points, rows, columns, builder.add(row, lanes), line.count, groups)

    def in_column(column):  # type: ignore[no-untyped-def]
        start = builder.add(panel_start, builder.mul(column, lanes))
        return load_numbers(builder, numbers, start, line.count)

    def of_group(array, start):  # type: ignore[no-untyped-def]
        places = (builder.add(start, start.type(j)) for j in range(_AT_ONCE))
        return [in_all_lanes(builder, builder.load(builder.gep(array.data, [at])), line) for at in places]

    def keep_two(group, kept):  # type: ignore[no-untyped-def]
        fetch_share(group)
        first = builder.mul(group, at_once)
        group_start = builder.mul(first, columns)

        def add_products(column, scores):  # type: ignore[no-untyped-def]
            x = in_column(column)
            some = of_group(factors, builder.add(group_start, builder.mul(column, at_once)))
            return [
                add_product(builder, score, x, factor) for score, factor in zip(scores, some, strict=True)
            ]

        scores = in_loop(builder, none, columns, of_group(of_centroids, first), add_products)
        for j, score in enumerate(scores):
            kept = _keep_two(builder, kept, score, builder.add(first, first.type(j)))
        return kept

    def add_squares(column, totals):  # type: ignore[no-untyped-def]
        x = in_column(column)
        return [add_product(builder, totals[0], x, x)]

    zeros, infinity = (ir.Constant(line, [each] * line.count) for each in (0.0, np.inf))
    first_label = ir.Constant(ir.VectorType(ir.IntType(32), line.count), [0] * line.count)
    least, second, label = in_loop(builder, none, groups, [infinity, infinity, first_label], keep_two)
    squares = in_loop(builder, none, columns, [zeros], add_squares)
    for array, value in zip(found, (least, second, *squares, label), strict=True):
        store_numbers(builder, value, array, row)
    return context.get_dummy_value()


def _fetching(builder, points, rows, columns, first, lanes, groups):  # type: ignore[no-untyped-def]
    """Return what begins to fetch the next panel's rows, from an index in `rows` on: a share with each group.

    They come from memory while this panel is compared. A processor fetches few lines of its cache at a time.
    """
    one, in_line = columns.type(1), columns.type(CACHE_LINE_BYTES // bytes_of(points.data.type.pointee))
    lines = builder.add(one, builder.udiv(builder.sub(columns, one), in_line))
    total = builder.mul(lines, columns.type(lanes))
    share = builder.add(one, builder.udiv(builder.sub(total, one), groups))

    def fetch(line, _):  # type: ignore[no-untyped-def]
        of_row, row = (divide(line, line.type(lanes)) for divide in (builder.udiv, builder.urem))
        start = _row_start(builder, rows, columns, builder.add(first, row))
        column = builder.mul(of_row, in_line)
        fetch_ahead(builder, builder.gep(points.data, [builder.add(start, column)]))
        return []

    def fetch_share(group):  # type: ignore[no-untyped-def]
        start = builder.mul(group, share)
        stop = builder.add(start, share)
        stop = builder.select(builder.icmp_signed("<", stop, total), stop, total)
        in_loop(builder, start, stop, [], fetch)

    return fetch_share


def _keep_two(builder, kept, score, number):  # type: ignore[no-untyped-def]
    """Return the least, the second least and the label after one more score; NaN becomes a tie."""
    least, second, label = kept
    other = builder.select(builder.fcmp_ordered(">", score, least), score, least)
    second = builder.select(builder.fcmp_ordered("<", other, second), other, second)
    nearer = builder.fcmp_ordered("<", score, least)
    own = in_all_lanes(builder, builder.trunc(number, label.type.element), label.type)
    return [builder.select(nearer, score, least), second, builder.select(nearer, own, label)]
