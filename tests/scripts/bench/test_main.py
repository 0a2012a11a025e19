"""One small run of the benchmark."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.bench import measure
from tests.programs import PATIENCE_S


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.bench", *arguments]
    environment = os.environ | {"PYTHONPATH": str(measure.ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )


def test_an_unknown_workload_is_refused(tmp_path: Path) -> None:
    refused = bench(tmp_path, "--only", "huge")
    assert refused.returncode == 2
    assert "no workload begins with huge" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_small_run(tmp_path: Path) -> None:
    done = bench(tmp_path, "--only", "tiny", "--repeats", "1", "--out", "results")
    assert done.returncode == 0, done.stderr
    (tiny,) = json.loads((tmp_path / "results" / "results.json").read_text())["workloads"]
    assert tiny["skipped"] == {}
    assert tiny["series"]["ours"]["details"]["iterations"] == 3
    assert len(tiny["ratios"]) == 2
    assert "31 points" in done.stdout
