"""What rounding does to scores, |c|² - 2 x·c, and to the bounds that are made of them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

_STEP = np.float32(2**-22)
"""Of a float32 number, more than two roundings change."""
_LARGEST = np.float32(3e38)


class Rounding(NamedTuple):
    """Bounds the rounding errors of a row's squared distances by relative * (|x|² + reach) + absolute.

    It is at least what (|x| + |c|)² asks for, and takes no root. The numbers have the scores' type.
    """

    reach: np.floating[Any]  # the greatest |c|²
    relative: np.floating[Any]
    absolute: np.floating[Any]


def rounding_of(columns: int, reach: float, dtype: npt.DTypeLike, tiny: float) -> Rounding:
    """Bound the rounding errors of scores in that type; what underflows in a product is less than `tiny`."""
    # With the unit roundoff u, the factors' rounding, the products' and that of |c|², from which one product
    # after the other is subtracted, make the difference of two centroids wrong by at most
    # (2 d + 12) u (|x| + |c|)²; the plain formula, by 2 (d + 2) u (|x| + |c|)²; and sums of scores, |x|² and
    # margins, by 4 u (|x| + |c|)². That square is at most 2 (|x|² + |c|²).
    u = float(np.finfo(dtype).eps) / 2
    relative = 2 * (4 * columns + 20) * u
    return Rounding(*np.array([reach, relative, (columns + 64) * tiny], dtype))


@njit(inline="always")
def above(x):  # type: ignore[no-untyped-def]
    """Return more than a float32 number may be without its last roundings."""
    return x + abs(x) * _STEP


@njit(inline="always")
def below(x):  # type: ignore[no-untyped-def]
    """Return less than a float32 number may be without its last roundings."""
    finite = min(x, _LARGEST)
    return finite - abs(finite) * _STEP


@njit(inline="always")
def root_above(square):  # type: ignore[no-untyped-def]
    """Return, in float32, at least the root of a square, if that is not below 1e-18."""
    return above(np.sqrt(np.float32(square)))


@njit(inline="always")
def root_below(square):  # type: ignore[no-untyped-def]
    """Return, in float32, at most the root of a square, if that is not below 1e-18; 0 for NaN.

    A square beyond float32's range has at least the root of the greatest one in it.
    """
    return below(np.sqrt(np.float32(min(square, _LARGEST)))) if square > 0 else np.float32(0.0)


@njit(inline="always")
def margin_of(square, rounding):  # type: ignore[no-untyped-def]
    """Return what |x|² + |c|² - 2 x·c may be wrong by, for a row of this |x|²."""
    return rounding.relative * (square + rounding.reach) + rounding.absolute
