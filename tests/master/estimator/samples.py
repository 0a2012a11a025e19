"""Rows for the tests of the estimator."""

from typing import Any

import numpy as np

from tests.programs import SAMPLE

POINTS = np.loadtxt(SAMPLE, delimiter=",")


def cloud(rows: int = 500, columns: int = 3) -> Any:
    return np.random.default_rng(5).normal(size=(rows, columns))
