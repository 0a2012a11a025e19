"""What K-Means refuses to be asked."""

import math
from typing import Any

import numpy as np
import pytest

from common.errors import UsageError
from master.algorithms.kmeans.config import KMeansConfig

FOUR = np.random.default_rng(3).normal(size=(4, 2))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"k": 0}, "--k is 0, but must be 1 or more"),
        ({"iterations": 0}, "--iters is 0, but must be 1 or more"),
        ({"tol": -0.5}, "--tol is -0.5, but must be 0 or more"),
        ({"tol": math.nan}, "--tol is nan, but must be 0 or more"),
        ({"n_init": 0}, "--n-init is 0, but must be 1 or more"),
        ({"seed": -1}, "--seed is -1, but must be 0 or more"),
        ({"initial": FOUR[:3]}, "--init-centroids holds 3 centroids, but --k is 2"),
        (
            {"initial": FOUR[:2], "n_init": 2},
            "--n-init and --init-centroids exclude each other: --init-centroids is the only start",
        ),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as refused:
        KMeansConfig(**({"k": 2, "iterations": 5} | fields))
    assert str(refused.value) == text
