"""Print a digest of all bits of some fits: run in a process of its own, for another processor."""

import hashlib
import sys

import numpy as np

from common.kernels.logistic.design import Design, Grid, Scaling
from common.kernels.logistic.passes import probabilities
from tests.common.kernels.logistic.data import Local


def exact(dtype: str) -> Local:
    """Make a regression of integers and powers of two: NumPy's own sums differ between processors."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(-300, 300, size=(1500, 5))
    codes = np.stack([rng.integers(-1, 4, size=1500), rng.integers(4, 7, size=1500)], axis=1)
    noisy = numbers[:, 0] + 40 * codes[:, 0] + rng.integers(-300, 300, size=1500)
    labels = np.digitize(noisy, [-100, 200]).astype(np.int32)
    points = (numbers / 64).astype(dtype)
    weights = rng.integers(1, 4, size=1500) / 2
    design = Design(points, np.arange(5, dtype=np.int32), codes.astype(np.int32), labels, weights)
    scaling = Scaling(np.arange(5) / 64, np.full(5, 2.75))
    return Local(design, scaling, Grid.covering([2.0] * 5, 1.5), (3, 13), 1 / 1500, stride=2)


def digest() -> str:
    """Return a hash of the parameters, progress and probabilities."""
    found = hashlib.sha256()
    for dtype in ("float32", "float64"):
        problem = exact(dtype)
        step = problem.fit()
        for array in step.progress().values():
            found.update(array.tobytes())
        found.update(probabilities(problem.design, problem.scaling, step.theta).tobytes())
        found.update(repr((step.loss, step.gradient)).encode())
    return found.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(digest())
