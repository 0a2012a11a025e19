"""People with categories, and what is learnt of them in this process, for the estimators on clusters."""

import numpy as np
import pandas as pd

from master import LogisticRegression

_DRAW = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    {
        "job": _DRAW.choice(["cook", "nurse", "pilot"], 300),
        "age": _DRAW.integers(18, 80, 300),
        "risk": _DRAW.choice(["low", "mid", "high"], 300),
        "income": _DRAW.normal(size=300),
        "zip": _DRAW.integers(1000, 1004, 300),
    }
)
"""Their classes are in the column "risk"; "zip" holds categories, too."""

FACTS = PEOPLE.drop(columns="risk")
HERE = LogisticRegression(categorical_features=["job", "zip"]).fit(FACTS, PEOPLE["risk"])


def model() -> LogisticRegression:
    """Return a model to fit where the people lie."""
    return LogisticRegression(target="risk", categorical_features=["zip"], reducers=2, mappers=2)


def check(fitted: LogisticRegression) -> None:
    """Check that a model has the same bits as that of this process."""
    assert fitted.coef_.tobytes() == HERE.coef_.tobytes()
    assert fitted.intercept_.tobytes() == HERE.intercept_.tobytes()
    assert fitted.coef_names_.tolist() == HERE.coef_names_.tolist()
    assert fitted.classes_.tolist() == HERE.classes_.tolist()
    assert fitted.feature_names_in_.tolist() == HERE.feature_names_in_.tolist()
    assert fitted.predict(FACTS).tolist() == HERE.predict(FACTS).tolist()
