"""The pipeline of scikit-learn, as people run it."""

import json
from pathlib import Path

import pytest

from tests.scripts.pipelines.scripts import (
    JOBS_CUT,
    TEST_ROWS,
    check_gaps,
    check_is_always_wrong,
    check_usage,
    result_of,
    run_script,
    write_flipped,
    write_with_gaps,
)


def test_the_table_of_jobs() -> None:
    found = result_of("sklearn_pipeline", "--input", JOBS_CUT)
    assert found["name"] == "scikit-learn"
    assert (found["rows"], found["test_rows"]) == (3000, TEST_ROWS)
    assert 0.98 < found["weighted_f1"] < 0.995
    assert 0.98 < found["macro_f1"] < 0.995
    assert found["log_loss"] < 0.1
    check_usage(found)


def test_it_is_tested_on_the_test_rows(tmp_path: Path) -> None:
    flipped = write_flipped(tmp_path / "flipped")
    check_is_always_wrong(result_of("sklearn_pipeline", "--input", flipped, "--target", "class"))


def test_missing_values_unseen_words_and_unseen_classes(tmp_path: Path) -> None:
    table = write_with_gaps(tmp_path / "gaps.csv")
    ended = run_script("sklearn_pipeline", "--input", table, "--target", "class", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    check_gaps(json.loads(ended.stdout))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input", "/none.csv"], "--input /none.csv: there is no such file, nor a folder of CSV files"),
        (["--input", str(JOBS_CUT), "--target", "Risk"], "--target Risk: there is no such column, only Job_"),
    ],
)
def test_wrong_options(options: list[str], said: str) -> None:
    ended = run_script("sklearn_pipeline", *options)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"Error: {said}")


def test_people_get_a_table() -> None:
    lines = run_script("sklearn_pipeline", "--input", JOBS_CUT).stdout.splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "| test rows   |          613 |" in lines
