"""Linear equations with a symmetric positive definite matrix, in a fixed order of operations, without LAPACK.

A = U'U with U upper triangular. Every element of the matrix is reduced by the products of the rows above it,
in their order. The inner loops run along rows and treat each element by itself, so they become vector code
without a sum that is reordered.
"""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.model import FloatArray

_PANEL_ROWS = 64
_TILE_COLUMNS = 512
"""A panel's part of a tile stays in the core's second cache."""


def factor(matrix: FloatArray, floor: float) -> FloatArray:
    """Return U, shape (n, n), whose lower triangle has no meaning; a pivot less than `floor` is raised to it.

    Raising a pivot adds to the diagonal. So a matrix that is singular, or by rounding not quite positive,
    becomes definite, in the directions alone that need it.
    """
    upper = np.array(matrix, order="C")
    _factor(upper, floor)
    return upper


def solve(upper: FloatArray, right: FloatArray) -> FloatArray:
    """Solve U'U x = right, shape (n,)."""
    x = right.copy()
    _solve(read_only(upper), x)
    return x


@njit(inline="always")
def _reduce(a, i, k, start, stop):  # type: ignore[no-untyped-def]
    """Subtract the products of row k from columns `start` to `stop` of row i."""
    x = a[k, i]
    for j in range(start, stop):
        a[i, j] -= x * a[k, j]


@njit(inline="always")
def _reduce_by_four(a, i, k, start, stop):  # type: ignore[no-untyped-def]
    """Do it for four rows, one after the other."""
    w, x, y, z = a[k, i], a[k + 1, i], a[k + 2, i], a[k + 3, i]
    for j in range(start, stop):
        a[i, j] = (((a[i, j] - w * a[k, j]) - x * a[k + 1, j]) - y * a[k + 2, j]) - z * a[k + 3, j]


@kernel
def _factor(a, floor):  # type: ignore[no-untyped-def]
    """Factor panel by panel of rows; each panel reduces all rows below, tile by tile of columns."""
    n = len(a)
    for top in range(0, n, _PANEL_ROWS):
        bottom = min(n, top + _PANEL_ROWS)
        _factor_panel(a, top, bottom, floor)
        for left in range(bottom, n, _TILE_COLUMNS):
            right = min(n, left + _TILE_COLUMNS)
            for i in range(bottom, right):
                for k in range(top, bottom, 4):
                    _reduce_by_four(a, i, k, max(i, left), right)


@kernel
def _factor_panel(a, top, bottom, floor):  # type: ignore[no-untyped-def]
    """Finish the rows of a panel, which those above have reduced."""
    n = len(a)
    for k in range(top, bottom):
        root = np.sqrt(max(a[k, k], floor))
        a[k, k] = root
        for j in range(k + 1, n):
            a[k, j] /= root
        for i in range(k + 1, bottom):
            _reduce(a, i, k, i, n)


@kernel
def _solve(a, x):  # type: ignore[no-untyped-def]
    """Solve with U', then with U."""
    n = len(a)
    for k in range(n):
        x[k] /= a[k, k]
        for j in range(k + 1, n):
            x[j] -= x[k] * a[k, j]
    for k in range(n - 1, -1, -1):
        total = x[k]
        for j in range(k + 1, n):
            total -= a[k, j] * x[j]
        x[k] = total / a[k, k]
