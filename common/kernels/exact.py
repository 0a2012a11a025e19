"""Exact sums of float64 numbers, in float64 arithmetic.

A float64 is an integer times a power of two. Cut the bits of a column at fixed places, the same for
every row, and each number becomes a few *limbs*, each a small integer times its place's power of
two. Choose the cuts so that as many limbs as there are rows add up to less than 2**53 units: then
every partial sum is a float64 without rounding, addition is associative, and any order, grouping,
split or machine gives the same limbs. One rounding at the end gives what `math.fsum` gives.

The cut is made by adding and subtracting a large constant, as in Rump, Ogita and Oishi, "Accurate
floating-point summation, part I: faithful rounding" (SIAM J. Sci. Comput. 31, 2008; there called
ExtractVector) and in Demmel and Nguyen's reproducible sums (ARITH 2013).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from common.model import FloatArray, IntArray, LongArray

LOWEST_EXPONENT = -1074
"""Every float64 is a multiple of 2**LOWEST_EXPONENT."""

LARGEST_MAGNITUDE = 2.0**480
"""Larger inputs are refused: their squared distances, or the cuts for their sums, could overflow."""

HALVING = 2.0**27 + 1
"""Times a number, it cuts that into halves; see `two_product`."""

_BLOCK_ROWS = 1 << 14
"""Rows whose limbs stay in the cache."""

_MANY_SUMS = 64
"""From here on, arithmetic on arrays takes less time than a call for each sum."""

_BLOCK_SUMS = 1 << 12
"""Sums whose limbs stay in the cache, with what becomes of them."""


def last_bit(value: float) -> int:
    """Return q such that every float64 at least as large as `value` is a multiple of 2**q."""
    # frexp gives m * 2**e with m in [0.5, 1), and a float64 has 53 bits.
    return max(math.frexp(value)[1] - 53, LOWEST_EXPONENT)


@dataclass(frozen=True)
class SumGrid:
    """Where the bits of each column are cut."""

    top: tuple[int, ...]
    """Per column, an exponent such that every number is smaller in magnitude than 2**top."""
    bits: int
    """Width of a limb, at most 48."""
    limbs: int
    """How many limbs a number has, enough to reach its last bit."""

    @classmethod
    def covering(cls, largest: Sequence[float], smallest: Sequence[float], rows: int) -> "SumGrid":
        """Choose the cuts for sums of at most `rows` numbers a column.

        `largest` and `smallest` bound each column's magnitudes from above, and from below those that are
        not zero; `smallest` is 0 where all are zero.
        """
        bits = min(48, 53 - max(rows, 1).bit_length())
        top, least = np.frexp(largest)[1], np.asarray(smallest)
        last = np.maximum(np.frexp(least)[1] - 53, LOWEST_EXPONENT)  # as `last_bit`
        widest = int((top - np.where(least, last, top)).max())
        return cls(tuple(top.tolist()), bits, max(1, math.ceil(widest / bits)))

    def to_array(self) -> IntArray:
        """Return it as one array, for the wire."""
        return np.array([self.bits, self.limbs, *self.top], np.int32)

    @classmethod
    def from_array(cls, array: IntArray) -> "SumGrid":
        """Undo `to_array`; equal arrays give the same object, with the arrays that it has made."""
        if array.ndim != 1 or array.dtype.kind != "i":
            raise ValueError("not a grid that a master makes")
        return cls._from_numbers(tuple(array.tolist()))

    @classmethod
    @lru_cache(2)  # each task of a run comes with the same one or two
    def _from_numbers(cls, numbers: tuple[int, ...]) -> "SumGrid":
        bits, limbs, *top = numbers
        in_range = 1 <= bits <= 48 and 1 <= limbs <= 2200 // bits
        if not in_range or not top or max(map(abs, top)) > -LOWEST_EXPONENT:
            raise ValueError("not a grid that a master makes")
        return cls(tuple(top), bits, limbs)

    @property
    def columns(self) -> int:
        """How many columns it cuts."""
        return len(self.top)

    @cached_property
    def constants(self) -> FloatArray:
        """What cuts off each limb but the last, shape (limbs - 1, columns).

        Adding 1.5 * 2**(e + 52) pushes every bit below 2**e off the end of the significand.
        """
        constants: FloatArray = np.ldexp(1.5, self.units[:-1] + 52)
        return constants

    @cached_property
    def units(self) -> IntArray:
        """What limbs are multiples of, shape (limbs, columns): exponents of two."""
        limbs = np.arange(1, self.limbs + 1)[:, None]
        exponents: IntArray = np.maximum(np.array(self.top) - limbs * self.bits, LOWEST_EXPONENT)
        return exponents.astype(np.int32)

    @cached_property
    def scales(self) -> FloatArray:
        """What limbs are multiples of, shape (limbs, columns): the powers of two themselves."""
        powers: FloatArray = np.ldexp(1.0, self.units)
        return powers

    def cut(self, values: FloatArray) -> FloatArray:
        """Cut numbers of shape (n, columns) into limbs of shape (limbs, columns, n)."""
        result = np.empty((self.limbs, *values.T.shape))
        rest = result[-1]
        rest[:] = values.T
        for high, constant in zip(result, self.constants, strict=False):
            np.add(rest, constant[:, None], out=high)
            high -= constant[:, None]
            rest -= high
        return result

    def sum(self, values: FloatArray) -> FloatArray:
        """Cut numbers of shape (n, columns) and add their limbs, exactly, into shape (limbs, columns)."""
        total = np.zeros((self.limbs, self.columns))
        for start in range(0, len(values), _BLOCK_ROWS):
            total += sum_all(self.cut(values[start : start + _BLOCK_ROWS]))
        return total


def two_product(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a * b, rounded, and what the rounding took away (Dekker, Numerische Mathematik 18, 1971).

    Together they are exact if a multiple of the last bits of both is a float64, and the product is in range.
    """
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low


def _halves(numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cut each number into two of at most 26 bits (Veltkamp's splitting)."""
    scaled = numbers * HALVING
    high = scaled - (scaled - numbers)
    return high, numbers - high


def sum_by_key(keys: IntArray | LongArray, limbs: FloatArray, size: int) -> FloatArray:
    """Add limbs of shape (w, n) by key, shape (n,), exactly, into shape (size, w): along the longer axis."""
    if len(limbs) > len(keys):
        total = np.zeros((size, len(limbs)))
        for key, row in zip(keys.tolist(), limbs.T, strict=True):
            total[key] += row
        return total
    sums = [np.bincount(keys, weights=limb, minlength=size) for limb in limbs]
    return np.stack(sums, axis=1)


def sum_all(limbs: FloatArray) -> FloatArray:
    """Add limbs of shape (..., n), exactly, into shape (...)."""
    # A product with ones is the fastest sum; in any order of addition it is exact.
    total: FloatArray = limbs @ np.ones(limbs.shape[-1])
    return total


def round_once(limbs: FloatArray) -> FloatArray:
    """Round sums held as limbs, shape (limbs, n), to the nearest float64, shape (n,)."""
    n = limbs.shape[1]
    if n < _MANY_SUMS:
        return _round_each(limbs)
    parts = [_round_in_two(limbs[:, at : at + _BLOCK_SUMS]) for at in range(0, n, _BLOCK_SUMS)]
    return np.concatenate(parts)


def _round_in_two(limbs: FloatArray) -> FloatArray:
    """Round sums by way of the sum of two numbers; where more are needed, of three."""
    n = limbs.shape[1]
    total, rest = _two_sum(limbs[-2], limbs[-1]) if len(limbs) > 1 else (limbs[0], np.zeros(n))
    doubtful = np.zeros(n, np.bool_)
    for limb in limbs[-3::-1]:
        total, error = _two_sum(limb, total)
        rest, left = _two_sum(error, rest)
        doubtful |= left != 0
    # Where nothing is left, the sum is total + rest exactly, and this addition rounds it once.
    rounded: FloatArray = total + rest
    if doubtful.any():
        rounded[doubtful] = _round_in_three(limbs[:, doubtful])
    return rounded


def _round_in_three(limbs: FloatArray) -> FloatArray:
    """Round sums as `_round_in_two` does, but add a third number last.

    Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to
    odd" (IEEE Transactions on Computers 57, 2008): what is added to the total is rounded to odd.
    """
    total, (rest, third) = limbs[-1], np.zeros((2, limbs.shape[1]))
    doubtful = np.zeros(limbs.shape[1], np.bool_)
    for limb in limbs[-2::-1]:
        total, error = _two_sum(limb, total)
        rest, error = _two_sum(error, rest)
        third, left = _two_sum(error, third)
        doubtful |= left != 0
    rest, third = _two_sum(rest, third)
    total, rest = _two_sum(total, rest)
    rounded: FloatArray = total + _to_odd(*_two_sum(rest, third))
    if doubtful.any():
        rounded[doubtful] = _round_each(limbs[:, doubtful])
    return rounded


def _to_odd(rounded: FloatArray, error: FloatArray) -> FloatArray:
    """Return that one of the two numbers around rounded + error whose last bit is 1, if it is neither."""
    bits = rounded.view(np.int64)
    away_from_zero = np.where((error > 0) == (rounded > 0), 1, -1)
    return np.where((error != 0) & (bits % 2 == 0), bits + away_from_zero, bits).view(np.float64)


def _round_each(limbs: FloatArray) -> FloatArray:
    return np.array([math.fsum(number) for number in limbs.T.tolist()])


def _two_sum(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a + b, rounded, and what the rounding took away (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = a + b
    b_taken = total - a
    return total, (a - (total - b_taken)) + (b - b_taken)
