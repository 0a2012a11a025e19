"""Processes: timed, watched, and run in turn."""

from pathlib import Path

import pytest

from scripts.bench import measure
from scripts.bench.measure import Sample, Series, Unavailable, Usage
from scripts.bench.quiet import Round


def test_an_unknown_option_is_why_a_run_is_not_measured(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"No such option.*--time-travel"):
        measure.run(["-m", "master", "--time-travel", 1], tmp_path)


def test_alternates_after_a_warm_up_and_skips_what_is_missing() -> None:
    calls: list[tuple[str, bool]] = []
    usage = Usage(1, 2, 3.0)

    def contender(name: str, times: list[float]) -> measure.Contender:
        def run(watch: bool) -> Sample:
            calls.append((name, watch))
            if not times:
                raise Unavailable("not here")
            seconds = times.pop(0)
            return Sample(seconds, {"took": seconds}, usage if watch else None)

        return run

    loads = iter([0.0, 0.0, 0.05])
    found = measure.alternate(
        {"a": contender("a", [99, 5, 1, 3]), "b": contender("b", [99, 2, 2, 2]), "c": contender("c", [])},
        3,
        lambda run: Round(run(), next(loads)),
    )
    assert calls[:3] == [("a", True), ("b", True), ("c", True)]
    assert calls[3:] == [("a", False), ("b", False)] * 3
    assert found.series["a"] == Series([5, 1, 3], {"took": 3}, usage)
    assert found.series["a"].median_s == 3
    assert found.skipped == {"c": "not here"}
    assert found.loads == [0.0, 0.0, 0.05]


def test_a_failing_process_is_skipped_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="failed: no luck"):
        measure.run(["-c", "raise SystemExit('first\\nno luck')"], tmp_path)


def test_watches_the_memory_of_a_process_and_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on until somebody looks at the child, whose memory that is, for the second time."""
    seen, look, looks = tmp_path / "seen", measure.proportional_memory, []

    def looking(pid: int) -> tuple[int, int]:
        found = look(pid)
        if found[0] > 64 << 20:
            looks.append(pid)
        if len(looks) > 1:
            seen.touch()
        return found

    monkeypatch.setattr(measure, "proportional_memory", looking)
    hold = "held = bytearray(64 << 20); print('ready', flush=True); input()"
    parent = (
        "import os, subprocess, sys;"
        f"child = subprocess.Popen([sys.executable, '-c', {hold!r}], stdin=-1, stdout=-1);"
        "child.stdout.readline();"
        f"[None for _ in iter(lambda: os.path.exists({str(seen)!r}), True)];"
        "child.communicate(b'\\n')"
    )
    usage = measure.run(["-c", parent], tmp_path, watch=True).usage
    assert usage is not None
    assert 64 << 20 < usage.anonymous_bytes < 200 << 20
    assert usage.file_bytes > 0
    assert usage.cpu_s > 0
