"""The benchmark of classification."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.bench import report
from scripts.bench.classification import OURS, TARGETS, Comparison, Pair, Results, as_json, as_markdown
from scripts.bench.classifiers import CLASSIFIERS, Table
from scripts.bench.tables import write_table
from tests.programs import PATIENCE_S, environment

COLUMNS = "numbers and categories"


def test_all_who_are_compared_can_be_run() -> None:
    assert {name for targets in TARGETS.values() for name in targets} | {OURS} == set(CLASSIFIERS)


def taken(seconds: float, cpu_s: float, iterations: int) -> dict[str, float]:
    return {"seconds": seconds, "cpu_s": cpu_s, "iterations": iterations}


def test_ratios_are_the_medians_of_pairs() -> None:
    pairs = [Pair(taken(n, 1, 9), taken(3 * n, n, 30), others_share=n / 10) for n in (1, 5, 2)]
    memory = {"anonymous_mb": 100.0, "file_mb": 70.0, "peak_mb": 160.0}
    results = Results(report.about(["--seed", "3"], 3, 3, 1.0), 1_000_000)
    results.comparisons.append(Comparison(COLUMNS, "MLlib", pairs, 3e-4))
    results.first_fits[COLUMNS] = {"mappers": {"7": memory, "8": memory | {"peak_mb": 170.0}}}
    results.skipped["lbfgs, numbers alone"] = "sklearn is not installed"
    text = as_markdown(results)
    assert "make bench ARGS='--seed 3'" in text
    assert "others took\n10% to 50%; disturbed among them: 2 of 3." in text
    assert f"| {COLUMNS} | MLlib | 4.00 | 3.00 | 2.00 | 9 | 30 | 3e-04 |" in text
    assert f"| {COLUMNS} | 500,000 | 250 | 100 | 70 | 170 |" in text
    assert "- lbfgs, numbers alone: sklearn is not installed" in text
    (found,) = json.loads(as_json(results))["comparisons"]
    assert found["ratios"] == {"seconds": 3.0, "cpu_s": 2.0}
    assert len(found["pairs"]) == 3


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.parquet"
    write_table(path, 3000, seed=0)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("with_texts", [True, False], ids=["all", "numbers"])
@pytest.mark.parametrize("name", [name for name in CLASSIFIERS if name != "newton-cholesky"])
def test_all_minimise_the_same(table: Path, name: str, with_texts: bool) -> None:
    """At their defaults some stop early, so the weights of numbers agree better than those of categories."""
    if name == "MLlib":
        pytest.importorskip("pyspark")
        if shutil.which("java") is None:
            pytest.skip("Spark needs Java")
    columns = Table(table, 3000, with_texts)
    with CLASSIFIERS["newton-cholesky"](columns) as (fit, _):
        exact = fit().weights
    with CLASSIFIERS[name](columns) as (fit, _):
        fitted = fit()
    assert fitted.weights.shape == exact.shape == (3, 104 if with_texts else 30)
    assert np.abs(fitted.weights - exact).max() < (1e-6 if name == OURS else 0.1)
    assert np.abs(fitted.weights - exact)[:, :30].max() < 5e-3
    assert fitted.iterations > 1


@pytest.mark.slow
def test_a_small_run(tmp_path: Path) -> None:
    arguments = ["--rows", "2000", "--repeats", "1", "--only", "lbfgs", "--out", "results"]
    done = subprocess.run(
        [sys.executable, "-m", "scripts.bench.classification", *arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "results" / "classification.json").read_text())
    assert [each["other"] for each in found["comparisons"]] == ["lbfgs", "lbfgs"]
    assert found["skipped"] == {}
    assert all(len(first["mappers"]) == 2 for first in found["first_fits"].values())
    assert (tmp_path / "results" / "classification.md").read_text() in done.stdout
