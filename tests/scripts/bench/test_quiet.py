"""Rounds on a machine that others use, too."""

import os
import subprocess
import sys
import time

import pytest

from scripts.bench import quiet
from scripts.bench.quiet import OtherPrograms, Round
from tests.programs import ROOT

CORES = os.cpu_count() or 1
WORK = "import time; began = time.process_time()\nwhile time.process_time() - began < 0.5: pass"


@pytest.mark.parametrize(
    ("loads", "kept"),
    [
        ([0.0, 0.1, 0.05], [0, 1, 2]),
        ([0.0, 0.2, 0.05, 0.01], [0, 2, 3]),
        ([0.3, 0.0, 0.4, 0.5, 0.2], [0, 1, 4]),
        ([0.3, 0.3, 0.3, 0.3, 0.3, 0.3], [0, 1, 2]),
    ],
    ids=["all quiet", "one runs again", "again no quieter", "never quiet"],
)
def test_disturbed_rounds_run_once_more_and_the_quietest_count(loads: list[float], kept: list[int]) -> None:
    found = iter([Round(number, load) for number, load in enumerate(loads)])
    rounds = quiet.rounds(3, lambda: next(found))
    assert [each.result for each in rounds] == kept
    assert next(found, None) is None


def test_others_take_what_is_not_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, busy, own = iter([100.0, 110.0]), iter([50.0, 50.0 + 7 * CORES]), iter([20.0, 20.0 + 4 * CORES])
    monkeypatch.setattr(time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(quiet, "_busy_s", lambda: next(busy))
    monkeypatch.setattr(quiet, "_own_s", lambda: next(own))
    assert OtherPrograms().load() == pytest.approx(0.3)


def test_the_work_of_children_and_of_those_they_leave_behind_is_our_own() -> None:
    """A child ends before a process that it has started, which works on."""
    leaves = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {WORK!r}])"
    measures = (
        "import subprocess, sys, os, psutil\n"
        "from scripts.bench import quiet\n"
        "quiet.adopt_orphans()\n"
        "began = quiet._own_s()\n"
        f"subprocess.run([sys.executable, '-c', {leaves!r}], check=True)\n"
        f"subprocess.run([sys.executable, '-c', {WORK!r}], check=True)\n"
        "psutil.wait_procs([each for each in psutil.Process().children() if each.status() != 'zombie'])\n"
        "print(quiet._own_s() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measures], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) >= 0.9
