"""Rounds on a machine that others use, too."""

import subprocess
import sys

import pytest

from scripts.bench import quiet
from scripts.bench.quiet import OtherPrograms, Round

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


def test_what_this_process_starts_is_no_other_program() -> None:
    """Half a second of work, by a child that has ended and by this process, would be at least a tenth."""
    others = OtherPrograms()
    busy_s, own_s = quiet._busy_s(), quiet._own_s()
    subprocess.run([sys.executable, "-c", WORK], check=True)
    exec(WORK)
    assert quiet._own_s() - own_s >= 1.0
    assert quiet._busy_s() - busy_s >= 1.0
    assert 0.0 <= others.load() <= 1.0


def test_other_programs_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """To this process, work that counts as nobody's of its own is that of others."""
    monkeypatch.setattr(quiet, "_own_s", lambda: 0.0)
    others = OtherPrograms()
    exec(WORK)
    assert others.load() > 0
