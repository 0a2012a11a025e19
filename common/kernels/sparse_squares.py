"""Squared distances of sparse rows to points, most of whose numbers are not 0.

They are those of the plain formula, which adds a square for each column, in order; but only the columns where
a row has a number take time. A float64 in a binade, from 2**e to 2**(e + 1), is a multiple of a unit, that of
its last bit. What such a total becomes when a smaller number is added is the total plus that number rounded
to units, whatever the total is: unless the number lies half way between two units, or the total leaves the
binade. So the squares of successive columns add up to the difference of two prefix sums, which are exact, and
serve all rows. There are some for each tile of columns and each binade that a total there is in.
"""

import math

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.sparse import SparseRows
from common.model import FloatArray, LongArray

_TILE_COLUMNS = 2048
_MOST_TILES = 64
_BINADES = 56
"""In higher ones, a tile's squares are less than half a unit."""
_UNKNOWN, _KNOWN, _UNUSABLE = 0, 1, 2


class SquareSums:
    """Finds squared distances of sparse rows to one point after another."""

    def __init__(self, rows: SparseRows) -> None:
        self._rows = rows.kept
        tile = max(_TILE_COLUMNS, 1 << (rows.columns // _MOST_TILES).bit_length())
        tiles = -(-rows.columns // tile)
        # Of this memory only the part that is used is taken: few binades of a tile are.
        self._prefixes = np.empty((tiles, _BINADES, tile + 1))
        self._known = np.empty((tiles, _BINADES), np.int8)
        self._lowest, self._plain = np.empty(tiles, np.int64), np.empty(rows.columns + 1)

    def add(self, own: LongArray, point: FloatArray, squared: FloatArray) -> None:
        """Write to `squared` the squared distances to a point of those rows whose indexes are in `own`."""
        room = self._prefixes, self._known, self._lowest, self._plain
        _begin(point, *room)
        _add_squares(self._rows, own, point, *room, squared)


@kernel
def _begin(point, prefixes, known, lowest, plain):  # type: ignore[no-untyped-def]
    """Find what a row of zeros adds up to, column by column, and each tile's lowest binade for prefix sums.

    That is an exponent as float64 has it. All squares of the tile add up to less than a quarter of what
    begins there, and so do they when rounded.
    """
    known[:] = _UNKNOWN
    tile, plain[0] = prefixes.shape[2] - 1, 0.0
    for t in range(len(lowest)):
        own = 0.0
        for c in range(t * tile, min(t * tile + tile, len(point))):
            square = point[c] * point[c]
            plain[c + 1] = plain[c] + square
            own += square
        lowest[t] = max(math.frexp(own)[1] + 2, -1022) + 1023


@kernel
def _add_squares(rows, own, point, prefixes, known, lowest, plain, squared):  # type: ignore[no-untyped-def]
    columns, shift = np.uint32(len(point)), _log2(prefixes.shape[2] - 1)
    for r in range(len(own)):
        i = own[r]
        p, end = rows.starts[i], rows.starts[i + 1]
        c = np.uint32(rows.places[p]) if p < end else columns
        total = plain[c]
        while p < end:
            difference = np.float64(rows.values[p]) - point[c]
            total += difference * difference
            p += 1
            stop = np.uint32(rows.places[p]) if p < end else columns
            total = _add_run(total, point, np.uint32(c + 1), stop, shift, prefixes, known, lowest)
            c = stop
        squared[i] = total


@njit
def _log2(power):  # type: ignore[no-untyped-def]
    return np.uint32(math.frexp(power)[1] - 1)


@njit(inline="always")
def _binade_of(total):  # type: ignore[no-untyped-def]
    """Return the exponent of a total from 0 as float64 has it."""
    return np.float64(total).view(np.int64) >> 52


@njit(inline="always")
def _add_run(total, point, first, stop, shift, prefixes, known, lowest):  # type: ignore[no-untyped-def]
    """Add the squares of some columns to a total, one after another."""
    c = first
    while c < stop:
        t = np.uint32(c >> shift)
        exponent, end = _binade_of(total), min(stop, np.uint32((t + 1) << shift))
        binade = exponent - lowest[t]
        if binade >= _BINADES:
            c = end
            continue
        if binade >= 0:
            row = np.uint32(binade)
            if known[t, row] == _UNKNOWN:
                known[t, row] = _find_prefixes(point, t << shift, exponent - 1023, prefixes[t, row])
            if known[t, row] == _KNOWN:
                start = np.uint32(t << shift)
                before = prefixes[t, row, np.uint32(c - start)]
                added = total + (prefixes[t, row, np.uint32(end - start)] - before)
                if _binade_of(added) == exponent:
                    total, c = added, end
                    continue
                while end - c > 1:  # Find the last column before the total leaves the binade.
                    middle = np.uint32((c + end) >> 1)
                    if _binade_of(total + (prefixes[t, row, np.uint32(middle - start)] - before)) == exponent:
                        c = middle
                    else:
                        end = middle
                total += prefixes[t, row, np.uint32(c - start)] - before
        total += point[c] * point[c]
        c = np.uint32(c + 1)
    return total


@njit
def _find_prefixes(point, start, exponent, sums):  # type: ignore[no-untyped-def]
    """Round squares to units of the binade of 2**exponent, add them up, and tell whether none is half way."""
    constant, half = math.ldexp(1.5, exponent), math.ldexp(1.0, exponent - 53)
    sums[0] = 0.0
    for c in range(min(len(sums) - 1, len(point) - start)):
        square = point[start + c] * point[start + c]
        rounded = (square + constant) - constant
        if abs(square - rounded) == half:
            return _UNUSABLE
        sums[c + 1] = sums[c] + rounded
    return _KNOWN
