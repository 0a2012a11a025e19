"""Run the pipelines as people do, and a table that tells on which rows one was tested."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.kernels.draws import uniforms
from tests.programs import ROOT

JOBS = ROOT / "data" / "input" / "jobs.csv"
JOBS_CUT = ROOT / "data" / "input" / "jobs"
TEST_ROWS = 613
QUICK_JAVA = {"JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""It starts sooner, and computes less before it computes fast."""


def run_script(
    name: str, *arguments: object, by: Sequence[object] = (sys.executable,)
) -> subprocess.CompletedProcess[str]:
    """Run a script of scripts/pipelines from another folder, without our packages on its path."""
    env = os.environ | QUICK_JAVA | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    env.pop("PYTHONPATH", None)
    script = ROOT / "scripts" / "pipelines" / f"{name}.py"
    return subprocess.run(
        [*map(str, by), str(script), *map(str, arguments)], cwd="/", env=env, capture_output=True, text=True
    )


def result_of(name: str, *arguments: object, by: Sequence[object] = (sys.executable,)) -> dict[str, Any]:
    ended = run_script(name, *arguments, "--json", by=by)
    assert ended.returncode == 0, ended
    found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return found


def write_flipped(folder: Path, files: Sequence[int] = (40, 300, 160)) -> Path:
    """Write files of so many rows in which "yes" means x > 0, but in the test rows the contrary.

    A model that has learned from the other rows alone is always wrong on them.
    """
    folder.mkdir()
    draws = uniforms(7, 1, 0, sum(files)) - 0.5
    flipped = uniforms(0, 0, 0, sum(files)) < 0.2
    lines = [
        f"{x + 0.5 * (1 if x > 0 else -1)},{'yes' if (x > 0) != bool(flip) else 'no'}\n"
        for x, flip in zip(draws, flipped, strict=True)
    ]
    for i, rows in enumerate(files):
        first = sum(files[:i])
        (folder / f"part-{i}.csv").write_text("x,class\n" + "".join(lines[first : first + rows]))
    return folder


def check_is_always_wrong(result: dict[str, Any]) -> None:
    flipped = uniforms(0, 0, 0, 500) < 0.2
    assert (result["rows"], result["test_rows"]) == (500, flipped.sum())
    assert result["accuracy"] == result["weighted_f1"] == result["macro_f1"] == 0
    assert result["log_loss"] > 1


def write_with_gaps(path: Path) -> Path:
    """Write 100 rows with missing values; the first is a test row of an unseen word and an unseen class.

    The class "a" means x > 3.
    """
    rows = [f"{i % 8},w{i % 3},{'ab'[i % 8 < 4]}" for i in range(100)]
    rows[0] = "1,unseen,B"  # "B" would come first
    rows[18], rows[19], rows[21] = ",w1,a", "2,,b", "3,w2,"
    path.write_text("\n".join(["x,word,class", *rows]) + "\n")
    return path


def check_gaps(result: dict[str, Any]) -> None:
    """Only a row without a class is left out, and only the class that training has not seen is not found."""
    tested = uniforms(0, 0, 0, 100) < 0.2
    assert (result["rows"], result["test_rows"]) == (99, tested.sum() - tested[21])
    assert result["accuracy"] == 1 - 1 / result["test_rows"]


def check_usage(result: dict[str, Any]) -> None:
    assert result["fit_seconds"] > 0
    assert result["cpu_seconds"] > 0
    assert 50 < result["peak_mb"] < 20_000
