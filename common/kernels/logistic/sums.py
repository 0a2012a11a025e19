"""Sums of integers as two limbs, high * 2**32 + low, each an exact integer in float64.

The limbs stand on the axis before the last. Limbs of several parts of the rows may be added in any order:
for up to 2**35 rows in up to 2**20 parts every partial sum is exact.
"""

import numpy as np
import numpy.typing as npt

from common.model import FloatArray, IntArray, LongArray

LIMB_BITS = 32
_LIMB = 2.0**LIMB_BITS


def split(sums: LongArray) -> FloatArray:
    """Split integers of shape (..., n) into limbs of shape (..., 2, n), the low one in [0, 2**32)."""
    limbs = [sums >> LIMB_BITS, sums & ((1 << LIMB_BITS) - 1)]
    return np.stack(limbs, axis=-2).astype(np.float64)


def carried(limbs: FloatArray) -> FloatArray:
    """Bring limbs, shape (..., 2, n), to the one form of their sum in which low is in [0, 2**32)."""
    high, low = limbs[..., 0, :], limbs[..., 1, :]
    carry = np.floor(low / _LIMB)
    return np.stack([high + carry, low - carry * _LIMB], axis=-2)


def rounded(limbs: FloatArray, units: npt.NDArray[np.integer] | int) -> FloatArray:
    """Round sums held as limbs, shape (..., 2, n), in units of 2**units, to float64, shape (..., n)."""
    # The product is exact, so that one addition rounds.
    numbers: FloatArray = np.ldexp(limbs[..., 0, :] * _LIMB + limbs[..., 1, :], units)
    return numbers


def magic(units: IntArray) -> FloatArray:
    """Return what rounds numbers to multiples of 2**units when it is added to them.

    The sum's bits, less those of the constant itself, are then the multiple as an integer.
    """
    constants: FloatArray = np.ldexp(1.5, units + 52)
    return constants
