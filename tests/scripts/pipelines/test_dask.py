"""The pipeline of XGBoost on Dask, as people run it."""

from pathlib import Path

import pytest

from tests.engines.runs import needs
from tests.scripts.pipelines.scripts import (
    JOBS,
    TEST_ROWS,
    check_is_always_wrong,
    check_usage,
    result_of,
    write_flipped,
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
