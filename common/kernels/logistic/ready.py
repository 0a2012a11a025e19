"""Use each compiled function once, so that it is compiled and kept."""

import numpy as np

from common.kernels.logistic import elementary, factoring
from common.kernels.logistic.design import Design, Grid, Scaling
from common.kernels.logistic.passes import curvature_sums, gradient_sums, probabilities
from common.model import PointArray


def make_logistic_ready(points: PointArray) -> None:
    """Make all passes over points of this type, shape (n, d), and solve some equations."""
    n, d = points.shape
    numbers, labels = np.arange(d, dtype=np.int32), np.arange(n, dtype=np.int32) % 2
    design = Design(points, numbers, labels[:, None], labels, np.ones(n))
    scaling, grid = Scaling(np.zeros(d), np.ones(d)), Grid.covering([2.0] * d, 1.0)
    theta = np.zeros((2, d + 3))
    gradient_sums(design, scaling, grid, theta)
    curvature_sums(design, scaling, grid, theta, 0, 1)
    probabilities(design, scaling, theta)
    factoring.factor_in_place(np.eye(2), 0.0)
    factoring.solve_in_place(np.eye(2), np.ones(2))
    elementary.logs(elementary.exps(np.ones(1)))
