"""exp and log against decimal arithmetic of many digits."""

from collections.abc import Callable
from decimal import Context, Decimal

import numpy as np
import pytest

from common.kernels.logistic.elementary import exps, logs
from common.model import FloatArray

MANY = Context(prec=40)


def errors(numbers: FloatArray, found: FloatArray, right: Callable[[Decimal], Decimal]) -> list[float]:
    """Return how many units in the last place each result is off."""
    return [
        float(abs(MANY.subtract(Decimal(y), right(Decimal(x)))) / Decimal(float(np.spacing(abs(y)))))
        for x, y in zip(numbers.tolist(), found.tolist(), strict=True)
        if y
    ]


@pytest.mark.parametrize("reach", [1.0, 40.0, 708.0])
def test_exp_is_within_its_bound(reach: float) -> None:
    numbers = np.random.default_rng(0).uniform(-reach, reach, size=2000)
    assert max(errors(numbers, exps(numbers), MANY.exp)) <= 1.0


def test_exp_cuts_what_would_overflow() -> None:
    found = exps(np.array([-1e300, -708.0, 0.0, 708.0, 1e300]))
    assert found[0] == found[1] > 0.0
    assert found[2] == 1.0
    assert found[3] == found[4] < np.inf


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.5), (1.0, 40.0), (1e-300, 1e300)])
def test_log_is_within_its_bound(low: float, high: float) -> None:
    numbers = np.exp(np.random.default_rng(0).uniform(np.log(low), np.log(high), size=2000))
    assert max(errors(numbers, logs(numbers), MANY.ln)) <= 1.0
    assert logs(np.ones(1))[0] == 0.0
