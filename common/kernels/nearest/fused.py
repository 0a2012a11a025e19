"""The two nearest centroids of each row by one fused loop: no array of products is ever written.

Rows are copied to a tile. In a panel of it the rows stand side by side: what they have in a column is one
line, a vector. A panel stays in the core's nearest cache while all centroids pass by, some at a time. Their
scores grow in registers, column by column; then the least two of each row are kept, and the label of the
least. Products of matrices would write their results to memory, to be read again.
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
    MANY_REGISTERS,
    Floats,
    add_product,
    empty_lines,
    fetch_ahead,
    in_all_lanes,
    in_loop,
    lanes_of,
    line_from,
    line_of,
    load_line,
    store_line,
)
from common.model import FloatArray

_AT_ONCE = 8 if MANY_REGISTERS else 4
"""Centroids whose scores grow at once, all in registers."""

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
    more = -k % _AT_ONCE
    groups = np.pad(-2 * centroids, ((0, more), (0, 0))).reshape(-1, _AT_ONCE, d).transpose(0, 2, 1)
    return Table(np.ascontiguousarray(groups), np.pad(squares, (0, more), constant_values=np.inf))


def empty_tile(columns: int, dtype: np.dtype[Any]) -> Tile:
    """Make room for as many rows as the core's caches hold."""
    lanes = lanes_of(dtype)
    panels = min(_MOST_PANELS, max(1, _TILE_NUMBERS // (columns * lanes)))
    numbers = empty_lines((panels, columns, lanes), dtype)
    least, second, squares = (np.empty(panels * lanes, dtype) for _ in range(3))
    return Tile(numbers, least, second, squares, labels=np.empty(panels * lanes, np.uint32))


@kernel
def compare(points, rows, frame, tile, table):  # type: ignore[no-untyped-def]
    """Copy rows, as many as fit or fewer, to a tile, and find their nearest centroids."""
    numbers, least, second, squares, labels = tile
    lanes = numbers.shape[2]
    for panel in range(-(-len(rows) // lanes)):
        _fill(panel, points, rows[panel * lanes :], frame.offset, frame.scale, numbers)  # type: ignore[call-arg]
        _compare(panel, numbers, table.factors, table.squares, least, second, squares, labels)


@intrinsic
def _fill(_, panel, points, rows, offset, scale, numbers):  # type: ignore[no-untyped-def]
    """Copy rows to a panel, less the offset and scaled; the last of them stands in for missing ones."""
    given = types.int64, points, rows, offset, types.float64, numbers
    return types.void(*given), _write_filling


def _write_filling(context, builder, kinds, given):  # type: ignore[no-untyped-def]
    """Write the compiler's code for `_fill`; all arrays are contiguous."""
    panel = given[0]
    points, rows, offset, numbers = (
        context.make_array(kinds.args[at])(context, builder, given[at]) for at in (1, 2, 3, 5)
    )
    line = line_of(context.get_value_type(kinds.args[5].dtype))
    doubles = ir.VectorType(ir.DoubleType(), line.count)
    _, columns = cgutils.unpack_tuple(builder, points.shape, 2)
    none, one, lanes = (ir.Constant(columns.type, number) for number in (0, 1, line.count))
    (given_rows,) = cgutils.unpack_tuple(builder, rows.shape, 1)
    last = builder.sub(given_rows, one)
    panel_start = builder.mul(builder.mul(panel, lanes), columns)

    def start_of(lane):  # type: ignore[no-untyped-def]
        index = ir.Constant(columns.type, lane)
        index = builder.select(builder.icmp_signed("<", index, last), index, last)
        row = builder.load(builder.gep(rows.data, [index]))
        return builder.mul(builder.zext(row, columns.type), columns)

    starts = [start_of(lane) for lane in range(line.count)]
    # Ask for the next panel's rows: they come from memory while this one is compared.
    next_starts = [start_of(lane) for lane in range(line.count, 2 * line.count)]
    in_line = ir.Constant(columns.type, line_of(points.data.type.pointee).count)

    def fetch(line_of_cache, _=()):  # type: ignore[no-untyped-def]
        column = builder.mul(line_of_cache, in_line)
        for start in next_starts:
            fetch_ahead(builder, builder.gep(points.data, [builder.add(start, column)]))
        return []

    fetch(none)  # rows are mostly no longer than a line of the cache
    in_loop(builder, one, builder.add(one, builder.udiv(builder.sub(columns, one), in_line)), [], fetch)
    scales = in_all_lanes(builder, given[4], doubles)

    def copy_column(column, _):  # type: ignore[no-untyped-def]
        places = (builder.add(start, column) for start in starts)
        x = line_from(builder, (builder.load(builder.gep(points.data, [place])) for place in places))
        wide = x if x.type == doubles else builder.fpext(x, doubles)
        middle = in_all_lanes(builder, builder.load(builder.gep(offset.data, [column])), doubles)
        scaled = builder.fmul(builder.fsub(wide, middle), scales)
        single = scaled if line == doubles else builder.fptrunc(scaled, line)
        store_line(builder, single, numbers, builder.add(panel_start, builder.mul(column, lanes)))
        return []

    in_loop(builder, none, columns, [], copy_column)
    return context.get_dummy_value()


@intrinsic
def _compare(_, panel, numbers, factors, of_centroids, least, second, of_rows, labels):  # type: ignore[no-untyped-def]
    """Find the nearest centroids of a panel's rows."""
    given = types.int64, numbers, factors, of_centroids, least, second, of_rows, labels
    return types.void(*given), _write_comparison


def _write_comparison(context, builder, kinds, given):  # type: ignore[no-untyped-def]
    """Write the compiler's code for `_compare`; all arrays are contiguous."""
    panel, *arrays = given
    numbers, factors, of_centroids, *found = (
        context.make_array(kind)(context, builder, array)
        for kind, array in zip(kinds.args[1:], arrays, strict=True)
    )
    line = line_of(context.get_value_type(kinds.args[1].dtype))
    groups, columns, at_once = cgutils.unpack_tuple(builder, factors.shape, 3)
    none, lanes = ir.Constant(columns.type, 0), ir.Constant(columns.type, line.count)
    row = builder.mul(panel, lanes)
    panel_start = builder.mul(row, columns)

    def in_column(column):  # type: ignore[no-untyped-def]
        return load_line(builder, numbers, builder.add(panel_start, builder.mul(column, lanes)), line)

    def of_group(array, start):  # type: ignore[no-untyped-def]
        places = (builder.add(start, ir.Constant(start.type, j)) for j in range(_AT_ONCE))
        return [in_all_lanes(builder, builder.load(builder.gep(array.data, [at])), line) for at in places]

    def keep_two(group, kept):  # type: ignore[no-untyped-def]
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
            kept = _keep_two(builder, kept, score, builder.add(first, ir.Constant(first.type, j)))
        return kept

    def add_squares(column, totals):  # type: ignore[no-untyped-def]
        x = in_column(column)
        return [add_product(builder, totals[0], x, x)]

    zeros, infinity = (ir.Constant(line, [each] * line.count) for each in (0.0, np.inf))
    first_label = ir.Constant(ir.VectorType(ir.IntType(32), line.count), [0] * line.count)
    least, second, label = in_loop(builder, none, groups, [infinity, infinity, first_label], keep_two)
    squares = in_loop(builder, none, columns, [zeros], add_squares)
    for array, value in zip(found, (least, second, *squares, label), strict=True):
        store_line(builder, value, array, row)
    return context.get_dummy_value()


def _keep_two(builder, kept, score, number):  # type: ignore[no-untyped-def]
    """Return the least, the second least and the label after one more score; NaN becomes a tie."""
    least, second, label = kept
    other = builder.select(builder.fcmp_ordered(">", score, least), score, least)
    second = builder.select(builder.fcmp_ordered("<", other, second), other, second)
    nearer = builder.fcmp_ordered("<", score, least)
    own = in_all_lanes(builder, builder.trunc(number, label.type.element), label.type)
    return [builder.select(nearer, score, least), second, builder.select(nearer, own, label)]
