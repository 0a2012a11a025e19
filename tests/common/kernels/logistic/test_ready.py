"""After `make_tables_ready`, a regression compiles nothing more."""

from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from numba.core.registry import CPUDispatcher

from common.kernels.__main__ import make_tables_ready
from common.kernels.limbs import read_only
from common.kernels.logistic import blocks, elementary, factoring, passes
from common.kernels.logistic.elementary import exps, logs
from common.kernels.logistic.passes import probabilities
from tests.common.kernels.logistic.data import drawn

MODULES: list[ModuleType] = [blocks, elementary, factoring, passes]


def compiled() -> dict[str, int]:
    """Return for how many kinds of arguments each function was compiled."""
    return {
        f"{module.__name__}.{name}": len(value.signatures)
        for module in MODULES
        for name, value in vars(module).items()
        if isinstance(value, CPUDispatcher)
    }


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_is_left_to_compile(dtype: str) -> None:
    make_tables_ready(dtype)
    before = compiled()
    problem = replace(drawn(600, dtype), cuts=(100, 300), stride=2)
    design = replace(problem.design, points=read_only(problem.design.points))
    step = replace(problem, design=design).fit()
    assert probabilities(design, problem.scaling, step.theta).shape == (600, 3)
    factoring.factor_in_place(upper := np.eye(3), 0.0)
    factoring.solve_in_place(upper, np.ones(3))
    assert logs(exps(np.ones(3))) == pytest.approx(1.0)
    assert compiled() == before
