"""Compiled additions of limbs: one row into, or out of, a cluster's exact sums."""

from numba import njit


@njit(cache=True)
def add_row(point, constants, sign, sums):  # type: ignore[no-untyped-def]
    """Cut one point, shape (d,), as `SumGrid.cut` does; add its limbs, times `sign`, to sums.

    `constants` has shape (limbs - 1, d), from `SumGrid.constants`; `sums` has shape (limbs * d,).
    """
    cuts, d = constants.shape
    for c in range(d):
        rest = point[c]
        for limb in range(cuts):
            high = (rest + constants[limb, c]) - constants[limb, c]
            sums[limb * d + c] += sign * high
            rest -= high
        sums[cuts * d + c] += sign * rest
