"""Compiled additions of limbs: one row into, or out of, a cluster's exact sums."""

from numba import njit


@njit(cache=True, nogil=True)
def add_row(row, constants, sign, sums):  # type: ignore[no-untyped-def]
    """Cut a row, shape (d,), as `SumGrid.cut` does; add its limbs, times `sign`, to sums.

    `constants` has shape (limbs - 1, d), from `SumGrid.constants`; `sums` has shape (limbs * d,).
    Nothing is left of the row. The inner loops run over columns, so that they become vector code.
    """
    cuts, d = constants.shape
    for limb in range(cuts):
        at = limb * d
        for c in range(d):
            high = (row[c] + constants[limb, c]) - constants[limb, c]
            sums[at + c] += sign * high
            row[c] -= high
    at = cuts * d
    for c in range(d):
        sums[at + c] += sign * row[c]
