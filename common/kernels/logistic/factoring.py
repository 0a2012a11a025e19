"""Compiled code for `cholesky`, for many equations.

The inner loops run along rows and treat each element by itself, so they become vector code without a sum that
is reordered.
"""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.model import FloatArray

_PANEL_ROWS = 64
_TILE_COLUMNS = 512
"""A panel's part of a tile stays in the core's second cache."""


def factor_in_place(upper: FloatArray, floor: float) -> None:
    """See `cholesky.factor`; shape (n, n), in C order."""
    _factor(upper, floor)


def solve_in_place(upper: FloatArray, x: FloatArray) -> None:
    """See `cholesky.solve`; x is the right side, shape (n,), and then the solution."""
    _solve(read_only(upper), x)


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
