"""Scores, tables, and what a process uses."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.bench.measure import Unavailable
from scripts.pipelines.__main__ import report, watched
from scripts.pipelines.inputs import is_test
from scripts.pipelines.results import score
from scripts.pipelines.usage import Watch

PARTS = """
import subprocess, sys, time
block = bytearray(200 << 20)
child = "import time; block = bytearray(100 << 20)\\nwhile time.process_time() < 0.6: pass\\ninput()"
with subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE) as process:
    while time.process_time() < 0.6: pass
    print("computed", flush=True)
    input()
    process.communicate(b"\\n")
"""


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.5, 0.5, 0.0], [0.2, 0.8, 0.0], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])
    found = score([0, 1, 2, 2], probabilities)
    # Right, found, and both, of each class: (1, 1, 1), (1, 2, 1), (2, 1, 1).
    f1 = [1.0, 2 / 3, 2 / 3]
    assert found.accuracy == 3 / 4
    assert found.macro_f1 == pytest.approx(sum(f1) / 3)
    assert found.weighted_f1 == pytest.approx((f1[0] + f1[1] + 2 * f1[2]) / 4)
    assert found.log_loss == pytest.approx(-np.log([0.5, 0.8, 0.1, 0.8]).mean())


def test_a_certain_error_has_a_finite_loss() -> None:
    assert score([0], [[0.0, 1.0]]).log_loss == pytest.approx(52 * np.log(2))


def test_the_test_rows_do_not_change_when_rows_are_added() -> None:
    few, many = is_test(100, 5, 0.3), is_test(1000, 5, 0.3)
    assert few.tolist() == many[:100].tolist()
    assert 250 < many.sum() < 350
    assert is_test(100, 6, 0.3).tolist() != few.tolist()


def test_what_all_processes_use_is_counted() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", PARTS], stdin=pipe, stdout=pipe) as process:
        assert process.stdout is not None
        with Watch(process.pid) as watch:
            assert process.stdout.readline() == b"computed\n"
        process.communicate(b"\n")
    assert watch.cpu_s > 0.6
    assert 200 < watch.peak_mb < 600


def test_a_command_that_fails_tells_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"^Error: No such command 'nothing'\."):
        watched(["-m", "master", "nothing"], tmp_path)


def result(name: str, **more: Any) -> dict[str, Any]:
    scores = {"weighted_f1": 0.5, "macro_f1": 0.25, "accuracy": 1.0, "log_loss": 12.34}
    return {"name": name, "rows": 3000, "test_rows": 600} | scores | more


def test_the_report() -> None:
    node = {"node": 1, "rows": 1200, "weighted_f1": 0.4, "macro_f1": 0.3, "accuracy": 0.2, "log_loss": None}
    found = [
        result("a", iterations=9, fit_seconds=0.5, cpu_seconds=1234.5, peak_mb=100.0),
        result("each node", nodes=[node]),
        {"name": "b", "unavailable": "there is none"},
        {"name": "c", "unavailable": "there is none"},
    ]
    assert "\n".join(report(found)) == (
        "|   | weighted F1 | macro F1 | accuracy | log-loss | iterations |  fit s |   CPU s | peak MiB |\n"
        "| - | ----------: | -------: | -------: | -------: | ---------: | -----: | ------: | -------: |\n"
        "| a |      0.5000 |   0.2500 |   1.0000 |     12.3 |          9 | 0.5000 | 1,234.5 |    100.0 |\n"
        "\n"
        "each node\n"
        "\n"
        "| model of | training rows | weighted F1 | macro F1 | accuracy | log-loss |\n"
        "| -------- | ------------: | ----------: | -------: | -------: | -------: |\n"
        "| node 1   |         1,200 |      0.4000 |   0.3000 |   0.2000 |        – |\n"
        "| all rows |         2,400 |      0.5000 |   0.2500 |   1.0000 |     12.3 |\n"
        "\n"
        "Not measured: b, c: there is none"
    )
