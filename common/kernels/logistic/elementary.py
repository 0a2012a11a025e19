"""exp and log from + - * / and shifts of bits alone.

NumPy's and the C library's differ in the last bit between processors. IEEE 754 rounds these operations in one
way, and nothing here is fused or reordered, so the result has the same bits everywhere.
"""

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.model import FloatArray

_LOG2_E = float.fromhex("0x1.71547652b82fep+0")
# ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")

_TO_INTEGER = 1.5 * 2.0**52
"""Added to a small number, it leaves the nearest integer in the last bits."""

_ONE = 1023 << 52
"""The bits of 1.0."""
_ROOT_HALF = 0x3FE6A09E667F3BCD
"""The bits of the square root of 1/2."""

LARGEST_EXPONENT = 708.0
"""Larger magnitudes are cut to it: `exp` neither overflows nor gives a subnormal number."""


@njit(inline="always")
def exp(x):  # type: ignore[no-untyped-def]
    """Return e**x, wrong by at most 1 unit in the last place; x is cut to [-708, 708].

    x = k ln 2 + r with |r| <= ln 2 / 2. Taylor's polynomial of degree 13 gives e**r; k is added to its
    exponent.
    """
    x = min(max(x, -LARGEST_EXPONENT), LARGEST_EXPONENT)
    shifted = x * _LOG2_E + _TO_INTEGER
    k = shifted - _TO_INTEGER
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    power = np.int64((np.float64(shifted).view(np.int64) << 52) + _ONE).view(np.float64)
    p = r * (1 / 6227020800) + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 0.5
    return ((r * r * p + r) + 1.0) * power


@njit(inline="always")
def log(x):  # type: ignore[no-untyped-def]
    """Return the natural logarithm of a normal number x > 0, wrong by at most 1 unit in the last place.

    x = m 2**e with m between the roots of 1/2 and 2. With t = m - 1, which is exact, and s = t / (2 + t),
    log m = 2 artanh(s) = t - t**2 / 2 + s (t**2 / 2 + 2 s**2 / 3 + 2 s**4 / 5 + ...), of which the first
    term is the largest.
    """
    bits = np.float64(x).view(np.int64)
    e = (bits - _ROOT_HALF) >> 52
    t = np.int64(bits - (e << 52)).view(np.float64) - 1.0
    s = t / (2.0 + t)
    z = s * s
    p = z * (2 / 23) + 2 / 21
    p = p * z + 2 / 19
    p = p * z + 2 / 17
    p = p * z + 2 / 15
    p = p * z + 2 / 13
    p = p * z + 2 / 11
    p = p * z + 2 / 9
    p = p * z + 2 / 7
    p = p * z + 2 / 5
    p = p * z + 2 / 3
    half = 0.5 * t * t
    return e * _LN2_HIGH - ((half - (s * (half + p * z) + e * _LN2_LOW)) - t)


def exps(numbers: FloatArray) -> FloatArray:
    """Return e to the power of each number."""
    found = np.empty_like(numbers)
    _exps(read_only(numbers), found)
    return found


def logs(numbers: FloatArray) -> FloatArray:
    """Return the natural logarithm of each number; they are normal and greater than 0."""
    found = np.empty_like(numbers)
    _logs(read_only(numbers), found)
    return found


@kernel
def _exps(numbers, out):  # type: ignore[no-untyped-def]
    for i in range(len(numbers)):
        out[i] = exp(numbers[i])


@kernel
def _logs(numbers, out):  # type: ignore[no-untyped-def]
    for i in range(len(numbers)):
        out[i] = log(numbers[i])
