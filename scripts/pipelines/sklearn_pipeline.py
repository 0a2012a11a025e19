"""Logistic regression by scikit-learn, on a table of numbers and words."""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this repository
from scripts.pipelines.inputs import check_target, files_of, is_test, pipeline
from scripts.pipelines.results import Usage, as_json, score, show
from scripts.pipelines.usage import Watch


@pipeline(__doc__)
def main(path: str, target: str, share: float, seed: int, wanted_json: bool) -> None:
    """Read, fit, test, show."""
    with Watch() as watch:
        frame = pd.concat([pd.read_csv(file) for file in files_of(path)], ignore_index=True)
        check_target(target, frame.columns)
        tested = is_test(len(frame), seed, share)
        train, test = (frame[rows].dropna(subset=[target]) for rows in (~tested, tested))
        frame = frame.dropna(subset=[target])
        classes, codes = np.unique(frame[target].astype(str), return_inverse=True)
        codes = pd.Series(codes, frame.index)

        began_s = time.perf_counter()
        model = make_model().fit(train.drop(columns=target), codes[train.index])
        fit_s = time.perf_counter() - began_s

        expected = np.zeros((len(test), len(classes)))  # a class that only test rows have is never expected
        expected[:, model.classes_] = model.predict_proba(test.drop(columns=target))
        scores = score(codes[test.index], expected)
    rows = {"rows": len(frame), "test_rows": len(test), "iterations": int(model[-1].n_iter_[0])}
    show(as_json("scikit-learn", scores, Usage(fit_s, watch.cpu_s, watch.peak_mb), **rows), wanted_json)


def make_model() -> Pipeline:
    """Scale the numbers, encode the words, and fit logistic regression with scikit-learn's penalty."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore")
    columns = [
        ("numbers", numbers, make_column_selector(dtype_include="number")),
        ("words", words, make_column_selector(dtype_exclude="number")),
    ]
    return make_pipeline(ColumnTransformer(columns), LogisticRegression(max_iter=1000))


if __name__ == "__main__":
    main()
