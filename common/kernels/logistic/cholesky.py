"""Linear equations with a symmetric positive definite matrix, in a fixed order of operations, without LAPACK.

A = U'U with U upper triangular. Every element of the matrix is reduced by the products of the rows above it,
in their order. `factoring` does the same, with the same bits; it is compiled code, which takes half a second
to import and load. So NumPy does it as long as that takes less.
"""

import numpy as np

from common.model import FloatArray

_MANY_EQUATIONS = 400
"""From here on NumPy takes longer than loading compiled code."""


def factor(matrix: FloatArray, floor: float) -> FloatArray:
    """Return U, shape (n, n), whose lower triangle has no meaning; a pivot less than `floor` is raised to it.

    Raising a pivot adds to the diagonal. So a matrix that is singular, or by rounding not quite positive,
    becomes definite, in the directions alone that need it.
    """
    upper = np.array(matrix, order="C")
    if len(upper) < _MANY_EQUATIONS:
        _factor(upper, floor)
    else:
        from common.kernels.logistic.factoring import factor_in_place

        factor_in_place(upper, floor)
    return upper


def solve(upper: FloatArray, right: FloatArray) -> FloatArray:
    """Solve U'U x = right, shape (n,)."""
    x = right.copy()
    if len(upper) < _MANY_EQUATIONS:
        _solve(upper, x)
    else:
        from common.kernels.logistic.factoring import solve_in_place

        solve_in_place(upper, x)
    return x


def _factor(a: FloatArray, floor: float) -> None:
    for k in range(len(a)):
        a[k, k] = np.sqrt(max(a[k, k], floor))
        row = a[k, k + 1 :]
        row /= a[k, k]
        a[k + 1 :, k + 1 :] -= row[:, None] * row


def _solve(a: FloatArray, x: FloatArray) -> None:
    """Solve with U', then with U."""
    n = len(a)
    for k in range(n):
        x[k] /= a[k, k]
        x[k + 1 :] -= x[k] * a[k, k + 1 :]
    for k in range(n - 1, -1, -1):
        # What accumulates is subtracted in order; a sum's order is NumPy's.
        x[k] = np.subtract.accumulate([x[k], *(a[k, k + 1 :] * x[k + 1 :])])[-1] / a[k, k]
