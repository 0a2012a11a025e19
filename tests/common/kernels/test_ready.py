"""After `make_ready`, a run compiles nothing more."""

from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

from common.jobs.centroids import Score
from common.jobs.lloyd import LloydStep
from common.kernels import limbs, ranges
from common.kernels.__main__ import make_ready
from common.kernels.exact import SumGrid
from common.kernels.limbs import read_only
from common.kernels.nearest import assigning, bounds, fused, members, plain, scores
from common.model import Block

MODULES: list[ModuleType] = [limbs, ranges, bounds, fused, members, plain, scores]


def compiled() -> dict[str, list[Any]]:
    """Return the kinds of arguments that each compiled function was compiled for."""
    functions = {
        f"{module.__name__}.{name}": value
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, CPUDispatcher)
    }
    return {name: list(function.signatures) for name, function in functions.items()}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [2, 40])
def test_nothing_is_left_to_compile(dtype: str, columns: int) -> None:
    make_ready(dtype)
    before = compiled()
    points = read_only(np.random.default_rng(0).normal(size=(30_000, columns)).astype(dtype))
    ranges = [8.0] * columns, [2.0**-60] * columns
    lloyd, score = (
        LloydStep(SumGrid.covering(*ranges, 30_000)),
        Score(SumGrid.covering([1e4], [1e-9], 30_000)),
    )
    centroids, memory = points[:400].astype(np.float64), dict[str, Any]()
    for step in range(4):
        state = {"centroids": centroids + step * 1e-3}
        assert lloyd.summarize(Block(points, 0), state, memory) is not None
        assert score.summarize(Block(points, 0), state, memory) is not None
        for rows in points, points.astype(np.float64):
            assert len(score.map(Block(rows, 0), state))
    for rows in points, points.astype(np.float64):
        assigning.labels_of(rows, centroids)
        assigning.labels_of(rows, centroids[:1])
        plain.nearest(rows, centroids[:2])
    assert compiled() == before
