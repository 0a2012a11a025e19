"""Nearest centroids by scores, |c|² - 2 x·c, which are found many times faster than by the plain formula.

The squared distance is |x|² + |c|² - 2 x·c. Scores round differently than the plain formula. So where the
least two scores of a row are nearer to each other than the rounding errors together, the row is in doubt,
and the plain formula decides. The labels are always those of `distance.nearest`.

A common offset is subtracted first, so that data far from the origin do not leave every row in doubt. A
power of two brings all numbers near 1, so that nothing overflows. If float32 leaves many rows in doubt,
float64 takes over.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.limbs import read_only
from common.kernels.nearest.fused import Frame, Table, Tile, compare, empty_tile, table_of
from common.kernels.nearest.rounding import Rounding, margin_of, root_above, root_below, rounding_of
from common.model import FloatArray, IntArray, PointArray

BLOCK_ROWS = 1 << 15
"""The most rows that are assigned at once."""

_FAR = 2.0**20
"""Centroids farther out than this, in units of the data's range, need float64's range."""
FARTHEST_SEEN = 2.0**340
"""Numbers too large to be used are seen among data that are not farther out than this."""

_FEW_ROWS = 512
"""Of a block: some of them in doubt say nothing of the others."""

RowNumbers = npt.NDArray[np.uint32]


class Prepared(NamedTuple):
    """The centroids as compiled code takes them, and memory for it to use."""

    frame: Frame
    columns: FloatArray  # (d, k): the centroids as they are given
    table: Table
    rounding: Rounding
    tile: Tile
    distances: FloatArray  # (k,)


class Found(NamedTuple):
    """What was found of each row of a block; distances are scaled."""

    labels: npt.NDArray[np.uint32]  # the nearest centroid
    upper: npt.NDArray[np.float32]  # at least the distance to it
    lower: npt.NDArray[np.float32]  # at most the distance to any other


class Scores:
    """Assigns blocks of rows to centroids.

    Every number of the data is smaller in magnitude than 2**exponent; `offset`, shape (columns,), is a
    point amid the data.
    """

    def __init__(self, columns: int, exponent: int, offset: FloatArray) -> None:
        self.frame = Frame(offset, math.ldexp(1.0, -max(exponent, -1000) - 1))
        """With the power of two that brings the data to near 1."""
        upper, lower = np.empty((2, BLOCK_ROWS), np.float32)
        self.found = Found(labels=np.empty(BLOCK_ROWS, np.uint32), upper=upper, lower=lower)
        """Of the last block."""
        self._take_type(columns, np.float32)

    @property
    def in_single(self) -> bool:
        """Whether float32 still does."""
        return self._dtype == np.float32

    def _take_type(self, columns: int, dtype: npt.DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._tile = empty_tile(columns, self._dtype)

    def set_centroids(self, centroids: FloatArray) -> None:
        """Take centroids of shape (k, d)."""
        columns = centroids.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):  # then all is in doubt
            moved = (centroids - self.frame.offset) * self.frame.scale
            if self.in_single and np.abs(moved).max() > _FAR:
                self._take_type(columns, np.float64)
            squares = (moved**2).sum(axis=1)
            tiny = float(np.finfo(self._dtype).tiny) + 5e-324 * self.frame.scale * self.frame.scale
            self._centroids = centroids
            self.prepared = Prepared(
                frame=self.frame,
                columns=read_only(np.ascontiguousarray(centroids.T)),
                table=table_of(moved.astype(self._dtype), squares.astype(self._dtype)),
                rounding=rounding_of(columns, float(squares.max()), self._dtype, tiny),
                tile=self._tile,
                distances=np.empty(len(centroids)),
            )

    def label(self, points: PointArray, labels: IntArray) -> bool:
        """Write the nearest centroid of each point, without bounds.

        Return False if a number was seen that is not finite or too large; see `_settle`.
        """
        start, all_usable = 0, True
        while start < len(points):
            start, needs_double, usable = write_labels(points, start, self.prepared, labels.view(np.uint32))
            all_usable &= usable
            if needs_double:
                self.take_double()
        return all_usable

    def take_double(self) -> None:
        """Go on in float64."""
        self._take_type(self._centroids.shape[1], np.float64)
        self.set_centroids(self._centroids)


@kernel
def find_nearest(points, rows, prepared, found):  # type: ignore[no-untyped-def]
    """Find labels and bounds of rows; return whether float32 leaves too many of them in doubt."""
    frame, table, rounding, tile = prepared.frame, prepared.table, prepared.rounding, prepared.tile
    doubtful, size = 0, len(tile.least)
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        stop = start + len(some)
        labels, upper, lower = found.labels[start:stop], found.upper[start:stop], found.lower[start:stop]
        compare(points, rows[start:], frame, tile, table)
        in_doubt = _bound(tile, rounding, labels, upper, lower)
        if in_doubt:
            _settle(points, some, prepared, labels)
        doubtful += in_doubt
    return _are_too_many(doubtful, len(rows), tile)


@kernel
def write_labels(points, start, prepared, labels):  # type: ignore[no-untyped-def]
    """Find the labels alone of rows, from the row `start` on.

    Return where it stopped, whether float32 leaves too many of the last rows in doubt, and whether all
    numbers that it looked at can be used.
    """
    rounding, tile, needs_double, usable = prepared.rounding, prepared.tile, False, True
    size, rows = len(tile.least), np.empty(BLOCK_ROWS, np.uint32)
    while start < len(points) and not needs_double:
        block, doubtful = min(len(points), start + BLOCK_ROWS) - start, 0
        for r in range(block):
            rows[r] = start + r
        for first in range(0, block, size):
            compare(points, rows[first:block], prepared.frame, tile, prepared.table)
            some = rows[first : min(block, first + size)]
            own = labels[start + first : start + first + len(some)]
            in_doubt = _copy_labels(tile, rounding, own)
            if in_doubt:
                usable &= _settle(points, some, prepared, own)
            doubtful += in_doubt
        start += block
        needs_double = _are_too_many(doubtful, block, tile)
    return start, needs_double, usable


@kernel
def _are_too_many(doubtful, rows, tile):  # type: ignore[no-untyped-def]
    """Tell whether float64 takes less time."""
    return tile.least.itemsize == 4 and doubtful > max(rows, _FEW_ROWS) // 8


@kernel
def _settle(points, rows, prepared, labels):  # type: ignore[no-untyped-def]
    """Find the labels of a tile's rows in doubt by the plain formula; tell whether it can use their numbers.

    A row with a number that is not finite is always in doubt, for its margin is not finite either. So is one
    with a number beyond `LARGEST_MAGNITUDE`, if the data's range is below `FARTHEST_SEEN` and there is more
    than one centroid: the margin exceeds the gap.
    """
    tile, usable = prepared.tile, True
    for r in range(len(rows)):
        if _in_doubt(tile, r, prepared.rounding):
            labels[r] = _nearest_by_plain_formula(points, rows[r], prepared.columns, prepared.distances)
            for c in range(points.shape[1]):
                usable &= abs(points[rows[r], c]) <= LARGEST_MAGNITUDE
    return usable


@njit(inline="always")
def _in_doubt(tile, r, rounding):  # type: ignore[no-untyped-def]
    return not tile.second[r] - tile.least[r] > margin_of(tile.squares[r], rounding)


@kernel
def _copy_labels(tile, rounding, labels):  # type: ignore[no-untyped-def]
    """Take the labels of a tile's rows; count the rows in doubt, as `_bound` does."""
    doubtful = np.uint32(0)
    for r in range(len(labels)):
        doubtful = np.uint32(doubtful + _in_doubt(tile, r, rounding))
        labels[r] = tile.labels[r]
    return doubtful


@kernel
def _bound(tile, rounding, labels, upper, lower):  # type: ignore[no-untyped-def]
    """Turn the scores of rows into bounds; count the rows in doubt.

    Without a branch, so that the compiler makes vector code of the loop.
    """
    doubtful = np.uint32(0)  # as wide as the other numbers: with wider ones vectors would hold half as many
    for r in range(len(labels)):
        square, least, second = tile.squares[r], tile.least[r], tile.second[r]
        margin = margin_of(square, rounding)
        in_doubt = not second - least > margin
        doubtful = np.uint32(doubtful + in_doubt)
        labels[r] = tile.labels[r]
        upper[r] = root_above(least + square + margin)
        lower[r] = root_below((least if in_doubt else second) + square - margin)
    return doubtful


@kernel
def _nearest_by_plain_formula(points, i, columns, distances):  # type: ignore[no-untyped-def]
    """Find the nearest centroid of points[i]."""
    distances[:] = 0.0
    for c in range(len(columns)):
        x, column = points[i, c], columns[c]
        for k in range(len(distances)):
            difference = x - column[k]
            distances[k] += difference * difference
    return np.uint32(distances.argmin())
