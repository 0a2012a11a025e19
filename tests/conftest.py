"""What all tests share."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "data" / "input" / "points.txt"


def run_master(folder: Path, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder, as a user would."""
    return subprocess.run(
        [sys.executable, "-m", "master", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def worker_processes() -> list[psutil.Process]:
    """Return the mapper and reducer processes that this test process is an ancestor of."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            command = process.cmdline()
        except psutil.Error:
            continue
        if "-m" in command and command[command.index("-m") + 1] in ("mapper", "reducer"):
            found.append(process)
    return found


@pytest.fixture(autouse=True)
def no_process_is_left():
    """Every test ends without a worker process of its own."""
    yield
    left = psutil.wait_procs(worker_processes(), timeout=5)[1]
    assert not left, f"workers outlived their test: {left}"
