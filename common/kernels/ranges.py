"""The range of each column of many rows, compiled."""

import numpy as np

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.model import FloatArray, PointArray

_WIDE = 64
"""Numbers of a row from which on the loop over columns is fast."""


def ranges_of(points: PointArray) -> FloatArray:
    """Return each column's least and greatest value, and its least magnitude but 0, shape (columns, 3).

    `points` has shape (n, columns). The magnitude is infinite if all numbers are 0.
    """
    n, columns = points.shape
    # Several short rows make a wide one: what is found of its columns is then found of each column.
    several = max(1, _WIDE // columns)
    wide = points[: n - n % several].reshape(-1, several * columns)
    found = [_ranges(wide).reshape(3, several, columns), _ranges(points[len(wide) * several :])[:, None]]
    lowest, highest, smallest = np.concatenate(found, axis=1)
    return np.column_stack([lowest.min(axis=0), highest.max(axis=0), smallest.min(axis=0)])


def _ranges(points: PointArray) -> FloatArray:
    """Return the three numbers, shape (3, columns)."""
    found = np.empty((3, points.shape[1]), points.dtype)
    found[0], found[1], found[2] = np.inf, -np.inf, np.inf
    _narrow(read_only(points), found)
    return found.astype(np.float64)


@kernel
def _narrow(points, found):  # type: ignore[no-untyped-def]
    """Narrow ranges by points.

    All of them are in one array, and nothing branches: three arrays, or branches, would take twice as long.
    """
    for r in range(len(points)):
        for c in range(points.shape[1]):
            x = points[r, c]
            lowest, highest, smallest = found[0, c], found[1, c], found[2, c]
            magnitude = abs(x)
            magnitude = magnitude if magnitude > 0.0 else np.inf
            found[0, c] = x if x < lowest else lowest
            found[1, c] = x if x > highest else highest
            found[2, c] = magnitude if magnitude < smallest else smallest
