"""Rows for the tests of the estimator."""

from typing import Any

import numpy as np
import pandas as pd

from tests.programs import SAMPLE

POINTS = np.loadtxt(SAMPLE, delimiter=",")


def cloud(rows: int = 500, columns: int = 3) -> Any:
    return np.random.default_rng(5).normal(size=(rows, columns))


def labelled(rows: int = 400) -> Any:
    """Rows of three numbers, and which of two classes each has, with errors."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(rows, 3))
    return X, X @ [1.0, -2.0, 0.5] + rng.logistic(size=rows) > 0.3


def people() -> Any:
    """A data frame with a number, texts and categories that are numbers; and classes."""
    rng = np.random.default_rng(8)
    job, level = rng.choice(["nurse", "cook", "pilot"], 60), rng.choice([10, 9], 60)
    age = rng.integers(20, 60, 60)
    high = (job == "pilot") + (age > 40) + rng.random(60) > 1
    return pd.DataFrame({"job": job, "age": age, "level": pd.Categorical(level)}), np.where(
        high, "high", "low"
    )
