"""The pipeline of XGBoost on Dask, as people run it."""

from pathlib import Path

import pytest

from tests.engines.runs import needs
from tests.scripts.pipelines.scripts import (
    JOBS,
    TEST_ROWS,
    check_gaps,
    check_is_always_wrong,
    check_usage,
    result_of,
    write_flipped,
    write_with_gaps,
)

needs("distributed", "xgboost")
pytestmark = pytest.mark.slow


def test_the_table_of_jobs() -> None:
    found = result_of("dask_ml_pipeline", "--input", JOBS)
    assert (found["rows"], found["test_rows"]) == (3000, TEST_ROWS)
    assert found["weighted_f1"] > 0.995
    assert found["macro_f1"] > 0.995
    assert found["log_loss"] < 0.02
    check_usage(found)


def test_it_is_tested_on_the_test_rows(tmp_path: Path) -> None:
    flipped = write_flipped(tmp_path / "flipped")
    check_is_always_wrong(result_of("dask_ml_pipeline", "--input", flipped, "--target", "class"))


def test_missing_values_unseen_words_and_unseen_classes(tmp_path: Path) -> None:
    table = write_with_gaps(tmp_path / "gaps.csv")
    check_gaps(result_of("dask_ml_pipeline", "--input", table, "--target", "class"))
