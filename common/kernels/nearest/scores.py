"""What ways to find the two nearest centroids by scores, |c|² - 2 x·c, have in common.

The squared distance is |x|² + |c|² - 2 x·c. Scores are found many times faster than the plain formula, but
they round differently. So where the least two scores of a row are nearer to each other than the rounding
errors together, the row is in doubt, and the plain formula decides. The labels are always those of
`distance.nearest`.

A common offset is subtracted first, so that data far from the origin do not leave every row in doubt. A
power of two brings all numbers near 1, so that nothing overflows. If float32 leaves many rows in doubt,
float64 takes over.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from common.model import FloatArray, PointArray

_FAR = 2.0**20
"""Centroids farther out than this, in units of the data's range, need float64's range."""
_FEW_ROWS = 512
"""Of a block: some of them in doubt say nothing of the others."""

_STEP = np.float32(2**-22)
"""Of a float32 number, more than two roundings change."""
_LARGEST = np.float32(3e38)

RowNumbers = npt.NDArray[np.uint32]
Floats = npt.NDArray[Any]
"""float32 or float64, as all scores are computed with."""


class Rounding(NamedTuple):
    """Bounds the rounding errors of a row's squared distances by relative * (|x|² + reach) + absolute.

    It is twice what (|x| + |c|)² asks for, and takes no root.
    """

    reach: float  # the greatest |c|²
    relative: float
    absolute: float


class Centroids(NamedTuple):
    """The centroids as they are given, and as scores take them."""

    exact: FloatArray  # (k, d)
    doubled: Floats  # (k, d): 2 c, less the offset and scaled
    squares: Floats  # (k,): |c|²
    rounding: Rounding


class Found(NamedTuple):
    """What was found of each row of a block; distances are scaled."""

    labels: npt.NDArray[np.uint32]  # the nearest centroid
    upper: npt.NDArray[np.float32]  # at least the distance to it
    lower: npt.NDArray[np.float32]  # at most the distance to any other


class Scores(ABC):
    """Assigns blocks of at most `rows` rows to k centroids.

    Every number of the data is smaller in magnitude than 2**exponent; `offset`, shape (columns,), is a
    point amid the data.
    """

    def __init__(self, columns: int, k: int, exponent: int, offset: FloatArray, rows: int) -> None:
        self.rows = rows
        """How many fit in a block."""
        self.scale = math.ldexp(1.0, -max(exponent, -1000) - 1)
        """The power of two that brings the data to near 1."""
        upper, lower = np.empty((2, rows), np.float32)
        self.found = Found(labels=np.empty(rows, np.uint32), upper=upper, lower=lower)
        """Of the last block."""
        self.offset = offset
        self.shape = (columns, k)
        self._take_type(np.float32)

    @property
    def in_single(self) -> bool:
        """Whether float32 still does."""
        return self.dtype == np.float32

    def _take_type(self, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.make_room()

    @abstractmethod
    def make_room(self) -> None:
        """Make the arrays that are used again for every block, of `dtype`."""

    @abstractmethod
    def find(self, points: PointArray, rows: RowNumbers) -> int:
        """Write to `found` what is found of some rows; return how many were in doubt."""

    def set_centroids(self, centroids: FloatArray) -> None:
        """Take centroids of shape (k, d)."""
        with np.errstate(over="ignore", invalid="ignore"):  # then all is in doubt
            moved = (centroids - self.offset) * self.scale
            if self.in_single and np.abs(moved).max() > _FAR:
                self._take_type(np.float64)
            squares = (moved**2).sum(axis=1)
            self.centroids = Centroids(
                exact=centroids,
                doubled=(2.0 * moved).astype(self.dtype),
                squares=squares.astype(self.dtype),
                rounding=self._rounding(float(squares.max())),
            )

    def _rounding(self, reach: float) -> Rounding:
        tiny = float(np.finfo(self.dtype).tiny) + 5e-324 * self.scale * self.scale
        return rounding_of(self.shape[0], reach, self.dtype, tiny)

    def assign(self, points: PointArray, rows: RowNumbers) -> None:
        """Find the nearest centroids of some points, at most `self.rows`; the results are in `found`."""
        doubtful = self.find(points, rows)
        if self.in_single and doubtful > max(len(rows), _FEW_ROWS) // 8:
            self._take_type(np.float64)
            self.set_centroids(self.centroids.exact)


def rounding_of(columns: int, reach: float, dtype: npt.DTypeLike, tiny: float) -> Rounding:
    """Bound the rounding errors of scores in that type; what underflows in a product is less than `tiny`."""
    # With the unit roundoff u, the factors' rounding, the products' and that of |c|², from which one product
    # after the other is subtracted, make the difference of two centroids wrong by at most
    # (2 d + 12) u (|x| + |c|)²; the plain formula, by 2 (d + 2) u (|x| + |c|)².
    relative = 2 * (4 * columns + 16) * float(np.finfo(dtype).eps) / 2
    return Rounding(reach, relative, (columns + 64) * tiny)


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
    return below(np.sqrt(np.float32(min(square, 3e38)))) if square > 0.0 else np.float32(0.0)


@njit(inline="always")
def margin_of(square, rounding):  # type: ignore[no-untyped-def]
    """Return what |x|² + |c|² - 2 x·c may be wrong by, for a row of this |x|²."""
    return rounding.relative * (square + rounding.reach) + rounding.absolute
