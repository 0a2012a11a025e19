"""The benchmark: what it reads, reckons and shows; and one small run of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scripts.bench import measure, ours, peers, plots, report, speedup
from scripts.bench.data import generate, initial_rows, write_csv
from scripts.bench.measure import Sample, Series, Unavailable, Usage
from scripts.bench.outcome import Bench, Outcome, Ratio, detail_ratio, time_ratio
from scripts.bench.workloads import workloads

DUMP = """\
2026-01-31T12:00:00.000000Z master event=run_started rows=31
2026-01-31T12:00:00.100000Z master event=centroid start=1 iteration=0 key=0 value=1.5,2.0
2026-01-31T12:00:00.100000Z master event=centroid start=1 iteration=0 key=1 value=3.0,-4.0
2026-01-31T12:00:00.200000Z master event=centroid start=2 iteration=0 key=0 value=0.1,0.2
2026-01-31T12:00:00.200000Z master event=centroid start=2 iteration=0 key=1 value=0.3,0.4
2026-01-31T12:00:01.000000Z master event=iteration_started iteration=1 of=5
2026-01-31T12:00:01.100000Z M1 event=map_started job=lloyd
2026-01-31T12:00:01.400000Z master event=iteration_finished start=1 iteration=1 shift=1.0
2026-01-31T12:00:01.500000Z master event=iteration_finished start=2 iteration=1 shift=0.0
2026-01-31T12:00:01.500000Z master event=iteration_started iteration=2 of=5
2026-01-31T12:00:01.600000Z master event=iteration_finished start=1 iteration=2 shift=0.5
2026-01-31T12:00:01.600000Z master event=iteration_started iteration=3 of=5
2026-01-31T12:00:01.900000Z master event=iteration_finished start=1 iteration=3 shift=0.0
2026-01-31T12:00:02.000000Z master event=stopped start=1 reason="all done" iterations=3 inertia=12.5
2026-01-31T12:00:02.100000Z master event=stopped start=2 reason="all done" iterations=1 inertia=11
"""


def series(*seconds: float, usage: Usage | None = None, **details: object) -> Series:
    return Series(list(seconds), details, usage)


def fit_outcome() -> Outcome:
    details = {
        **{"iterations": 30, "first_iteration_s": 3.0, "later_iteration_s": 1.5, "with_scoring_s": 2.2},
        **{"inertia": 1.0, "folder": "/somewhere"},
    }
    return Outcome(
        *("fit-x-blobs", "fit", "1,000 × 2, K = 8"),
        {"rows": 1000, "columns": 2, "k": 8, "data": "blobs"},
        {
            "ours": series(1.0, 2.0, 9.0, usage=Usage(300, 100, 1.0), **details),
            "sklearn-lloyd": series(4.0, usage=Usage(100, 100, 1.0), iterations=30),
            "faiss": series(1.0, iterations=30),
        },
        {"spark": "pyspark is not installed"},
        facts={"ours against sklearn-lloyd": {"rows of another label": 1234, "inertia ratio": 1.0}},
    )


def test_times_of_a_dump() -> None:
    trace = ours.read_trace(DUMP)
    assert trace.iterations_s == (0.5, 0.1, 0.3)
    assert trace.later_iteration_s == pytest.approx(0.2)
    assert (trace.fit_s, trace.scored_s) == (0.9, 1.1)
    assert (trace.iterations, trace.inertia) == (4, 11)


@pytest.mark.parametrize("lines", [0, 1, 7, 13], ids=["empty", "early", "in_an_iteration", "before_the_end"])
def test_dump_of_an_incomplete_run(lines: int) -> None:
    with pytest.raises(ValueError, match="complete run"):
        ours.read_trace("".join(DUMP.splitlines(keepends=True)[:lines]))


def test_starts_of_a_dump(tmp_path: Path) -> None:
    (tmp_path / "dump.txt").write_text(DUMP)
    assert ours.initial_centroids(tmp_path).tolist() == [[[1.5, 2], [3, -4]], [[0.1, 0.2], [0.3, 0.4]]]


def test_options_of_this_version() -> None:
    assert ours.knows("combine")
    assert ours.knows("init")
    assert not ours.knows("comb")
    assert not ours.knows("time-travel")
    with pytest.raises(Unavailable, match="no option --time-travel"):
        ours.master(Path("unused"), {"time-travel": 1})


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

    found, skipped = measure.alternate(
        {"a": contender("a", [99, 5, 1, 3]), "b": contender("b", [99, 2, 2, 2]), "c": contender("c", [])}, 3
    )
    assert calls[:3] == [("a", True), ("b", True), ("c", True)]
    assert calls[3:] == [("a", False), ("b", False)] * 3
    assert found["a"] == Series([5, 1, 3], {"took": 3}, usage)
    assert found["a"].median_s == 3
    assert skipped == {"c": "not here"}


def test_a_failing_process_is_skipped_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="failed: no luck"):
        measure.run(measure.python("-c", "raise SystemExit('first\\nno luck')"), tmp_path)


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
    usage = measure.run(measure.python("-c", parent), tmp_path, watch=True).usage
    assert usage is not None
    assert 64 << 20 < usage.anonymous_bytes < 200 << 20
    assert usage.file_bytes > 0
    assert usage.cpu_s > 0


def test_ratios() -> None:
    both = {"a": series(1.0, 2.0, 9.0, n=6), "b": series(4.0, n=3)}
    assert time_ratio(both, "a", "b") == [Ratio("a ÷ b", 0.5)]
    assert time_ratio(both, "a", "b", "x") == [Ratio("x", 0.5)]
    assert time_ratio(both, "a", "c") == []
    assert detail_ratio(both, "a", "b", "n", "n") == [Ratio("n", 2.0)]
    assert detail_ratio(both, "c", "b", "n", "n") == []


def test_report_shows_ratios_and_json_what_they_are_made_of(tmp_path: Path) -> None:
    about = report.about(["--seed", "3"], repeats=3, seed=3, scale=1.0)
    points = [
        Outcome(f"curve-k-{k}", "curve-k", "", {"k": k}, {"ours": series(k), "sklearn-lloyd": series(2 * k)})
        for k in (4, 8)
    ]
    whole = Outcome("tiny", "whole", "31 points", {}, ratios=(Ratio("ours ÷ five starts", 1.234),))
    report.write(tmp_path, about, [fit_outcome(), whole, *points])

    text = (tmp_path / "results.md").read_text()
    assert "`make bench ARGS='--seed 3'`" in text
    assert "| 1,000 × 2, K = 8 | blobs | float64 | 30 | 0.50 | – | 2.00 | – | – |" in text
    assert "| 1,000 × 2, K = 8 | blobs | float64 | 2.00 | 3.00 | 2.0 | 1,234 | 1.000000000 | 1.10 |" in text
    assert "| 31 points | ours ÷ five starts | 1.23 |" in text
    assert "| 8 | 2.00 | 4.00 | 0.50 |" in text
    assert "- spark: pyspark is not installed (fit-x-blobs)" in text

    found = json.loads((tmp_path / "results.json").read_text())
    fit = found["workloads"][0]
    assert fit["contenders"]["ours"]["seconds"] == [1, 2, 9]
    assert fit["contenders"]["ours"]["median_s"] == 2
    assert fit["ratios"] == {"ours ÷ sklearn-lloyd": 0.5, "ours ÷ faiss": 2.0}
    assert "folder" not in fit["contenders"]["ours"]["details"]
    assert found["about"]["versions"]["numpy"] == np.__version__


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    points = [
        Outcome(f"curve-k-{k}", "curve-k", "", {"k": k}, {"ours": series(k), "sklearn-lloyd": series(2 * k)})
        for k in (4, 8)
    ]
    tasks = [
        Outcome(
            *(f"curve-tasks-{m}", "curve-tasks", ""),
            {"mappers": m, "reducers": 1, "calls of an iteration": 2 * m + 2},
            ratios=(Ratio("an iteration", 3.0),),
        )
        for m in (1, 2)
    ]
    plots.draw(tmp_path, [fit_outcome(), *points, *tasks])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curve-k.png", "curve-tasks.png", "fits.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())


def test_speedups_are_those_of_an_engine_over_itself() -> None:
    times = {
        **{"grpc, M = 1": series(4.0), "grpc, M = 2": series(2.5), "grpc, M = 3": series(1.0, 2.0, 9.0)},
        **{"dask, M = 2": series(1.0)},  # one mapper failed
    }
    found = speedup.speedups(times, ["grpc", "spark", "dask"], 3)
    assert found == {"grpc": {1: 1.0, 2: 1.6, 3: 2.0}}
    assert {"grpc", "inline"} <= set(speedup.engines())


def test_a_small_speedup(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "results"
    shape = ["--rows", "500", "--columns", "2", "--k", "3", "--iterations", "2", "--repeats", "1"]
    speedup.main(["--engine", "inline", "--mappers", "2", *shape, "--out", str(out)], standalone_mode=False)
    assert (out / "speedup.png").read_bytes().startswith(b"\x89PNG")
    facts = json.loads((out / "speedup.json").read_text())
    assert facts["skipped"] == {}
    assert list(facts["speedups"]["inline"]) == ["1", "2"]


@pytest.mark.parametrize("kind", ["blobs", "cloud"])
def test_data_follow_from_the_seed(kind: str) -> None:
    points = generate(kind, 1000, 3, 4, seed=1)
    assert points.shape == (1000, 3)
    np.testing.assert_array_equal(points, generate(kind, 1000, 3, 4, seed=1))
    assert not np.array_equal(points, generate(kind, 1000, 3, 4, seed=2))
    initial = initial_rows(points, 10, seed=1)
    assert len(np.unique(initial, axis=0)) == 10
    assert all((points == row).all(axis=1).any() for row in initial)


def test_csv_keeps_all_digits(tmp_path: Path) -> None:
    points = generate("blobs", 200, 3, 4, seed=0)
    write_csv(str(tmp_path / "points.csv"), points)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "points.csv", delimiter=","), points)


def test_scaled_rows_are_enough_for_the_clusters(tmp_path: Path) -> None:
    assert Bench(tmp_path, 1, 0, 0.01, ()).rows(1_000_000, 8) == 10_000
    assert Bench(tmp_path, 1, 0, 1e-6, ()).rows(1_000_000, 8) == 80


def test_workloads_have_names_of_their_own() -> None:
    names = list(workloads(("blobs", "cloud")))
    assert {"fit-1Mx2-k8-blobs", "fit-200kx128-k256-cloud", "csv", "points-mode", "tiny"} < set(names)


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.bench", *arguments]
    environment = os.environ | {"PYTHONPATH": str(measure.ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=150, check=False
    )


@pytest.mark.parametrize("library", ["sklearn-lloyd", "sklearn-elkan", "faiss", "dask-ml"])
def test_libraries_find_the_same_clusters(library: str) -> None:
    pytest.importorskip(peers.MODULES[library])
    points = generate("blobs", 500, 2, 3, seed=0)
    initial = initial_rows(points, 3, seed=0)
    fit = peers.FITS[library](peers.Task(points, initial, iterations=30, threads=1))
    labels = np.square(points[:, None] - fit.centroids).sum(axis=2).argmin(axis=1)
    if fit.labels is not None:
        np.testing.assert_array_equal(labels, fit.labels)
    means = [points[labels == key].mean(axis=0) for key in range(3)]
    np.testing.assert_allclose(fit.centroids, means, rtol=1e-5)
    assert fit.seconds > 0


def test_several_starts_are_the_ones_given() -> None:
    points = generate("cloud", 500, 2, 3, seed=0)
    starts = np.stack([initial_rows(points, 3, seed) for seed in (0, 1)])
    both = peers.FITS["sklearn-lloyd"](peers.Task(points, starts, iterations=5, threads=1, count=True))
    each = [
        peers.FITS["sklearn-lloyd"](peers.Task(points, start, iterations=5, threads=1)) for start in starts
    ]
    assert both.iterations == sum(fit.iterations or 0 for fit in each)
    assert any(np.allclose(both.centroids, fit.centroids) for fit in each)


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
    assert tiny["contenders"]["ours"]["details"]["iterations"] == 3
    assert len(tiny["ratios"]) == 2
    assert "31 points" in done.stdout
