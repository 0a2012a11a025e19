"""The objective and its derivatives, from the sums of passes over rows.

The objective is the weighted mean of the rows' losses plus l2 / 2 times the sum of penalty * parameter**2.
Sums are rounded once; what follows is elementwise, or added in a fixed order. So the result has the same bits
everywhere.
"""

import math
from dataclasses import dataclass

import numpy as np

from common.kernels.logistic.design import Grid
from common.kernels.logistic.sums import rounded
from common.model import FloatArray


@dataclass(frozen=True)
class Objective:
    """Turns sums into the objective and its derivatives."""

    grid: Grid
    weight: float
    """Of all rows together."""
    l2: float
    penalties: FloatArray
    """Of each parameter, shape (p,): 0 for the intercept, 1 for a standardised column."""

    def value(self, limbs: FloatArray, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the objective and its gradient, shape (K, p), from what `gradient_sums` gives at `theta`."""
        parameters = theta.shape[1]
        losses = rounded(limbs[:, :, 0].sum(axis=0)[:, None], self.grid.loss_unit)
        sums = rounded(limbs[:, :, 1:], self.grid.gradient_units(parameters))
        pulls = self.penalties * theta
        penalty = math.fsum((pulls * theta).ravel().tolist())
        loss = float(losses[0]) / self.weight + 0.5 * self.l2 * penalty
        return loss, sums / self.weight + self.l2 * pulls

    def hessian(self, limbs: FloatArray, weight: float) -> FloatArray:
        """Return the second derivatives, shape ((K-1) p, (K-1) p), from what `curvature_sums` gives.

        They are those by the first K - 1 classes' parameters less the last class's: a common shift of all
        classes changes no probability, and takes the penalty to its least if the classes' mean is 0. `weight`
        is that of the rows used.
        """
        pairs, parameters = limbs.shape[:2]
        units = self.grid.curvature_units(parameters)
        last = math.isqrt(2 * pairs)
        firsts, seconds = np.triu_indices(last)
        lower = np.ldexp(rounded(limbs, 0), units) / weight
        filled = lower + np.tril(lower, -1).swapaxes(1, 2)
        shared = (firsts == seconds) - 1.0 / (last + 1)
        diagonal = np.arange(parameters)
        filled[:, diagonal, diagonal] += (self.l2 * shared)[:, None] * self.penalties
        blocks = np.empty((last, parameters, last, parameters))
        blocks[firsts, :, seconds] = blocks[seconds, :, firsts] = filled
        return blocks.reshape(last * parameters, last * parameters)


def weight_of(limbs: FloatArray, grid: Grid) -> float:
    """Return the weight that `weight_of_stride` has added up."""
    return float(rounded(limbs, grid.weight_unit)[0])
