"""Small regressions, put together as a run does it, and a problem that holds all rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from common.kernels.logistic.design import Design, Grid, Scaling
from common.kernels.logistic.newton import Step, newton
from common.kernels.logistic.objective import Objective, weight_of
from common.kernels.logistic.passes import curvature_sums, gradient_sums, weight_of_stride
from common.model import FloatArray


@dataclass(frozen=True)
class Local:
    """A regression whose rows are all here, in parts."""

    design: Design
    scaling: Scaling
    grid: Grid
    shape: tuple[int, int]
    l2: float
    stride: int = 1
    cuts: tuple[int, ...] = ()
    """Where the rows are cut into parts."""

    @cached_property
    def objective(self) -> Objective:
        penalties = np.ones(self.shape[1])
        penalties[len(self.design.numbers)] = 0.0
        return Objective(self.grid, self.weight(1), self.l2, penalties)

    @property
    def parts(self) -> list[tuple[int, Design]]:
        """Return the first row of each part, and the part; the last one comes first."""
        bounds = [0, *self.cuts, len(self.design.points)]
        return [(a, self.design[a:b]) for a, b in pairwise(bounds)][::-1]

    def weight(self, stride: int) -> float:
        sums = [weight_of_stride(rows, self.grid, start, stride) for start, rows in self.parts]
        return weight_of(np.sum(sums, axis=0), self.grid)

    def gradient_sums(self, theta: FloatArray) -> FloatArray:
        sums = [gradient_sums(rows, self.scaling, self.grid, theta) for _, rows in self.parts]
        return np.asarray(np.sum(sums, axis=0))

    def curvature_sums(self, theta: FloatArray, stride: int) -> FloatArray:
        sums = [
            curvature_sums(rows, self.scaling, self.grid, theta, start, stride) for start, rows in self.parts
        ]
        return np.asarray(np.sum(sums, axis=0))

    def gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        return self.objective.value(self.gradient_sums(theta), theta)

    def curvature(self, theta: FloatArray, every: bool) -> FloatArray:
        stride = 1 if every else self.stride
        return self.objective.hessian(self.curvature_sums(theta, stride), self.weight(stride))

    def fit(self, tol: float = 1e-8, iterations: int = 100) -> Step:
        return list(newton(self, np.zeros(self.shape), tol, iterations))[-1]


def local(
    points: npt.NDArray[np.floating],
    labels: npt.NDArray[np.integer],
    codes: npt.NDArray[np.integer] | None = None,
    weights: FloatArray | Sequence[float] | None = None,
    l2: float | None = None,
) -> Local:
    """Make a regression; the penalty is 1 / rows unless given."""
    n, d = points.shape
    scale = np.nanstd(points, axis=0, dtype=np.float64)
    scaling = Scaling(np.nanmean(points, axis=0, dtype=np.float64), np.where(scale > 0, scale, 1.0))
    largest = np.nanmax(np.abs((points - scaling.mean) * scaling.inverse), axis=0)
    known = np.empty((n, 0), np.int32) if codes is None else codes.astype(np.int32)
    weight = np.ones(n) if weights is None else np.asarray(weights, np.float64)
    design = Design(points, np.arange(d, dtype=np.int32), known, labels.astype(np.int32), weight)
    shape = int(labels.max()) + 1, d + 1 + int(known.max(initial=-1)) + 1
    grid = Grid.covering(largest.tolist(), float(weight.max()))
    return Local(design, scaling, grid, shape, 1 / n if l2 is None else l2)


def drawn(n: int = 700, dtype: npt.DTypeLike = np.float64, seed: int = 0) -> Local:
    """Draw rows of three classes, with five numbers and two categories; some of each are missing."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(n, 5)).astype(dtype)
    codes = np.stack([rng.integers(-1, 4, size=n), rng.integers(4, 7, size=n)], axis=1)
    scores = points @ rng.normal(size=(5, 3)) + rng.normal(size=(8, 3))[codes[:, 0]]
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    points[rng.random(points.shape) < 0.05] = np.nan
    return local(points, labels, codes, rng.integers(1, 4, size=n) / 2)
