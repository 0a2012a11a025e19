"""What a pass over rows reads, and the fixed places at which its sums are cut."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from common.model import FloatArray, IntArray, PointArray

_BITS = 42
"""Of a number that is added: 2**20 of them fit in 64 bits, with the sign."""
_LOSS_BITS = 50
"""Of a row's loss; 2**8 of them fit, then their sum is carried into limbs."""
_MOST_EXPONENT = 1000
_LOSS_TOP = 10
"""A loss is at most 708 + log K, which is less than 2**10."""


@dataclass(frozen=True)
class Design:
    """Some rows: n of them with d numbers and c categories each."""

    points: PointArray
    """Shape (n, columns), in C order: the rows as they are kept. NaN is a missing number."""
    numbers: IntArray
    """Shape (d,): which columns of `points` are numbers."""
    codes: IntArray
    """Shape (n, c): where each category stands among all categories of all columns, or -1 for none."""
    labels: IntArray
    """Shape (n,): the class, from 0; or -1, where the weight is 0."""
    weights: FloatArray
    """Shape (n,), not negative; a row of weight 0 does not count."""

    def __getitem__(self, rows: slice) -> "Design":
        """Return some of the rows."""
        some = (self.codes[rows], self.labels[rows], self.weights[rows])
        return Design(self.points[rows], self.numbers, *some)


SMALLEST_SCALE = 1e-150
"""The inverse of a smaller one may overflow when it is multiplied with."""


@dataclass(frozen=True)
class Scaling:
    """How numbers are standardised: (x - mean) * (1 / scale), in float64; a missing one gives 0."""

    mean: FloatArray
    """Shape (d,)."""
    scale: FloatArray
    """Shape (d,), greater than 0: 1 for a column whose numbers are all equal."""

    @cached_property
    def inverse(self) -> FloatArray:
        """1 / scale, rounded: what is multiplied with."""
        inverse: FloatArray = 1.0 / self.scale
        return inverse


@dataclass(frozen=True)
class Grid:
    """The unit that each number is rounded to before it is added; units are powers of two.

    Rounded numbers are integers, whose sums have no rounding and so no order. A unit is at most 2**-42 of
    the least power of two that bounds what is added.
    """

    top: tuple[int, ...]
    """Per number column, an exponent: each standardised number is smaller in magnitude than 2**top."""
    weight: int
    """The same for the rows' weights."""

    @classmethod
    def covering(cls, largest: Sequence[float], largest_weight: float) -> "Grid":
        """Choose the units from bounds: of each column's standardised magnitudes, and of the weights."""
        return cls(tuple(math.frexp(value)[1] for value in largest), math.frexp(largest_weight)[1])

    def to_array(self) -> IntArray:
        """Return it as one array, for the wire."""
        return np.array([self.weight, *self.top], np.int32)

    @classmethod
    def from_array(cls, array: IntArray) -> "Grid":
        """Undo `to_array`; ValueError if it is none."""
        if array.dtype.kind != "i" or array.ndim != 1 or not array.size:
            raise ValueError("not a grid")
        weight, *top = array.tolist()
        # What rounds to the units must be a normal float64; see `common.kernels.logistic.sums.magic`.
        if weight + 2 * min([0, *top]) < -_MOST_EXPONENT or weight + 2 * max([0, *top]) > _MOST_EXPONENT:
            raise ValueError("a grid whose units are out of range")
        return cls(tuple(top), weight)

    def gradient_units(self, parameters: int) -> IntArray:
        """Return the exponent of each parameter's unit in the gradient, shape (p,)."""
        return self._exponents(parameters) + np.int32(self.weight - _BITS)

    def curvature_units(self, parameters: int) -> IntArray:
        """Return the exponent of each unit in the curvature, shape (p, p)."""
        top = self._exponents(parameters)
        return top[:, None] + top + np.int32(self.weight - _BITS)

    @property
    def loss_unit(self) -> int:
        """The exponent of the unit of losses."""
        return self.weight + _LOSS_TOP - _LOSS_BITS

    @property
    def weight_unit(self) -> int:
        """The exponent of the unit of weights."""
        return self.weight - _BITS

    def _exponents(self, parameters: int) -> IntArray:
        """Of the numbers, the intercept and the categories; the latter two are multiplied by 1."""
        return np.array([*self.top, *[0] * (parameters - len(self.top))], np.int32)
