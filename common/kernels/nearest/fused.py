"""Nearest centroids by one fused loop, where columns are few: no array of products is ever written.

A tile of rows is copied, column by column, to float32 numbers that stay in the core's nearest cache. Then
some centroids at a time are compared with all of its rows: their scores are made, and the least two of each
row kept, in registers. For that the loops over columns and centroids are written out: there is a function
for each number of columns, made when it is first needed. Products of matrices write their results to
memory, to be read again; that costs more than the products themselves if columns are few.
"""

from functools import cache
from typing import Any

import numpy as np

from common.kernels.compiling import kernel, written_kernel
from common.kernels.limbs import read_only
from common.kernels.nearest.scores import RowNumbers, Scores, margin_of, root_above, root_below
from common.model import FloatArray, PointArray

MOST_COLUMNS = 32
"""With more, matrix products are faster."""

_BLOCK_ROWS = 1 << 15
_TILE_ROWS = 256
_AT_ONCE = 4
"""Centroids that are compared at once."""

_CONTRACTED = {"contract", "nnan", "nsz"}
"""What the compiler may do to scores. They have a margin; infinite ones occur."""


class FusedScores(Scores):
    """Assigns rows of at most `MOST_COLUMNS` columns."""

    def __init__(self, columns: int, k: int, exponent: int, offset: FloatArray) -> None:
        super().__init__(columns, k, exponent, offset, _BLOCK_ROWS)

    def make_room(self) -> None:
        """See `Scores`."""
        columns, k = self.shape
        self._tile = np.empty((columns, _TILE_ROWS), self.dtype)
        self._of_rows = tuple(np.empty((3, _TILE_ROWS), self.dtype))
        self._distances = np.empty(k)

    def set_centroids(self, centroids: FloatArray) -> None:
        """Take centroids of shape (k, d); infinite scores fill up the last few that are compared at once."""
        super().set_centroids(centroids)
        more = -len(centroids) % _AT_ONCE
        given = self.centroids
        self._doubled = read_only(np.pad(given.doubled, ((0, more), (0, 0))))
        self._squares = read_only(np.pad(given.squares, (0, more), constant_values=np.inf))
        self._columns = read_only(np.ascontiguousarray(given.exact.T))

    def find(self, points: PointArray, rows: RowNumbers) -> int:
        """See `Scores`."""
        doubtful: int = finder(self.shape[0])(
            *(points, rows, self.offset, self.scale, self._doubled, self._squares, self._columns),
            *(self.centroids.rounding, self._tile, *self._of_rows, self._distances, *self.found),
        )
        return doubtful


@cache
def finder(columns: int) -> Any:
    """Return the compiled function for so many columns."""
    source = _source(columns)
    return written_kernel(f"find_{columns}", source, __file__, fastmath=_CONTRACTED, settle=_settle)


def _source(columns: int) -> str:
    """Write the function that finds what `Scores.find` finds."""
    at_once = range(_AT_ONCE)
    square = " + ".join(f"x_{c} * x_{c}" for c in range(columns))
    lines = [
        f"def find_{columns}(",
        "    points, rows, offset, scale, doubled, squares, exact, rounding,",
        "    tile, least, second, of_rows, distances, labels, upper, lower",
        "):",
        "    doubtful, number = 0, tile.dtype.type",
        *(f"    o_{c} = offset[{c}]" for c in range(columns)),
        f"    for start in range(0, len(rows), {_TILE_ROWS}):",
        f"        stop = min(start + {_TILE_ROWS}, len(rows))",
        "        some, found = rows[start:stop], labels[start:stop]",
        "        for r in range(stop - start):",
        "            i = some[r]",
        *(f"            x_{c} = number((points[i, {c}] - o_{c}) * scale)" for c in range(columns)),
        *(f"            tile[{c}, r] = x_{c}" for c in range(columns)),
        f"            of_rows[r] = {square}",
        "        least[:], second[:], found[:] = np.inf, np.inf, 0",
        f"        for k in range(0, len(squares), {_AT_ONCE}):",
        *(f"            square_{j}, label_{j} = squares[k + {j}], np.uint32(k + {j})" for j in at_once),
        *(f"            c_{j}_{c} = doubled[k + {j}, {c}]" for j in at_once for c in range(columns)),
        "            for r in range(stop - start):",
        *(f"                x_{c} = tile[{c}, r]" for c in range(columns)),
        "                first, other, label = least[r], second[r], found[r]",
    ]
    for j in at_once:
        products = "".join(f" - c_{j}_{c} * x_{c}" for c in range(columns))
        lines += [
            f"                score = square_{j}{products}",
            "                other = min(other, max(first, score))",
            f"                label = label_{j} if score < first else label",
            "                first = min(first, score)",
        ]
    lines += [
        "                least[r], second[r], found[r] = first, other, label",
        "        doubtful += settle(",
        "            points, some, exact, rounding, least, second, of_rows, distances,",
        "            found, upper[start:stop], lower[start:stop],",
        "        )",
        "    return doubtful",
    ]
    return "\n".join(lines)


@kernel
def _settle(  # type: ignore[no-untyped-def]
    points, rows, exact, rounding, least, second, squares, distances, labels, upper, lower
):
    """Decide doubtful rows by the plain formula, and count them; turn scores into bounds."""
    doubtful = 0
    for r in range(len(rows)):
        square = np.float64(squares[r])
        first, other = np.float64(least[r]), np.float64(second[r])
        margin = margin_of(square, rounding)
        in_doubt = not other - first > margin
        doubtful += in_doubt
        upper[r] = root_above(first + square + margin)
        lower[r] = root_below((first if in_doubt else other) + square - margin)
    if doubtful:
        for r in range(len(rows)):
            margin = margin_of(np.float64(squares[r]), rounding)
            if not np.float64(second[r]) - np.float64(least[r]) > margin:
                labels[r] = _nearest_by_plain_formula(points, rows[r], exact, distances)
    return doubtful


@kernel
def _nearest_by_plain_formula(points, i, exact, distances):  # type: ignore[no-untyped-def]
    """Find the nearest centroid of points[i]; `exact` are the centroids' columns, shape (d, k)."""
    distances[:] = 0.0
    for c in range(len(exact)):
        x, column = points[i, c], exact[c]
        for k in range(len(distances)):
            difference = x - column[k]
            distances[k] += difference * difference
    return np.uint32(distances.argmin())
