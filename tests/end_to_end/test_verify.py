"""Every kind of run keeps the rules that `verify` checks; also one whose workers die."""

from pathlib import Path

import numpy as np
import pytest

from common.events.catalogue.kmeans import EmptyCluster
from common.events.catalogue.workers import WorkerLost
from tests.master.teaching.runs import broken, finished
from tests.moments import KILL, at_first, opens
from tests.programs import environment_with_hook, options, run_master
from tests.story import story_of


@pytest.mark.parametrize(
    ("m", "r", "more"),
    [
        (3, 2, []),
        (1, 1, ["--combine"]),
        (2, 4, ["--combine"]),
        (2, 1, ["--intermediate", "arrow"]),
        (3, 2, ["--combine", "--intermediate", "arrow", "--keep-iterations"]),
        (2, 4, ["--splits", 5, "--keep-iterations"]),
        (1, 2, ["--n-init", 3, "--splits", 4]),
        (3, 2, ["--n-init", 3, "--splits", 4]),
        (2, 2, ["--n-init", 2, "--combine", "--init", "k-means++"]),
    ],
    ids=lambda given: " ".join(map(str, given)) or "plain" if isinstance(given, list) else "",
)
def test_every_run_keeps_the_rules(tmp_path: Path, m: int, r: int, more: list[object]) -> None:
    assert broken(finished(tmp_path, "--mappers", m, "--reducers", r, *more)) == {}


@pytest.mark.parametrize("more", [[], ["--combine"]], ids=["plain", "combined"])
def test_how_the_input_was_read_is_taken_from_the_log(tmp_path: Path, more: list[object]) -> None:
    text = "x;name;y\n" + "".join(f"{i % 7},{i};a;{i * i % 11}\n" for i in range(60))
    (tmp_path / "points.csv").write_text(f"a comment\n{text}1,5;a;NA\n")
    read = ["--skip-rows", 1, "--columns", "y,x", "--decimal", ",", "--missing", "drop"]
    run = options(m=2, r=2, k=3, input_path=tmp_path / "points.csv")
    ended = run_master(tmp_path, *run, *read, "--dtype", "float32", *more)
    assert ended.returncode == 0, ended.stderr
    assert broken(tmp_path) == {}


@pytest.mark.parametrize("ids", ["name", "all"])
def test_ids_are_no_columns(tmp_path: Path, ids: str) -> None:
    rows = "".join(f"row {i},{i % 7},{i * i % 11}\n" for i in range(60))
    (tmp_path / "points.csv").write_text(f"name,x,y\n{rows}")
    run = options(m=2, r=2, k=3, input_path=tmp_path / "points.csv")
    ended = run_master(tmp_path, *run, "--columns", "x,y", "--id", ids, "--labels", "labels.csv")
    assert ended.returncode == 0, ended.stderr
    assert broken(tmp_path) == {}


def test_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    rows = np.random.default_rng(3).normal(size=(50, 3))
    for number, part in enumerate(np.split(rows, [7, 31])):
        np.save(tmp_path / "rows" / f"{number}.npy", part)
    assert run_master(tmp_path, *options(k=4, input_path=tmp_path / "rows")).returncode == 0
    assert broken(tmp_path) == {}


def test_large_results_are_arrays_that_numpy_opens(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(4).normal(size=(400, 60)))
    run = options(m=2, r=2, k=200, n=2, input_path=tmp_path / "rows.npy")
    assert run_master(tmp_path, *run, "--combine").returncode == 0
    written = [path for path in (tmp_path / "data").glob("*ers/*/*_*") if path.suffix != ".txt"]
    assert {path.suffix for path in written} == {".npy"}
    assert len(written) == 2 * 3
    outputs = [np.load(tmp_path / "data" / "reducers" / name / "output.npy") for name in ("R1", "R2")]
    centroids = np.loadtxt(tmp_path / "data" / "centroids.txt", delimiter=",")
    for output in outputs:
        np.testing.assert_array_equal(output["values"], centroids[output["key"]])
    assert sum(map(len, outputs)) == 200
    assert broken(tmp_path) == {}


def test_centroids_of_many_short_numbers(tmp_path: Path) -> None:
    """Many numbers have another text than few where the log prints them; centroids.txt has one form."""
    rows = np.random.default_rng(5).integers(-999, 999, size=(300, 50)) / 10.0 ** np.arange(50)
    np.save(tmp_path / "rows.npy", rows)
    run = options(m=2, r=1, k=101, n=1, input_path=tmp_path / "rows.npy")
    assert run_master(tmp_path, *run).returncode == 0
    assert broken(tmp_path) == {}


@pytest.mark.parametrize("on_empty", ["farthest", "keep"])
def test_empty_clusters(tmp_path: Path, on_empty: str) -> None:
    (tmp_path / "start.txt").write_text("0,8\n9,1\n500,500\n")
    run = [*options(k=3, n=1), "--init-centroids", "start.txt", "--on-empty", on_empty]
    assert run_master(tmp_path, *run).returncode == 0
    assert story_of(tmp_path).of(EmptyCluster, iteration=1, key=2)
    assert broken(tmp_path) == {}


@pytest.mark.parametrize(
    ("victim", "moment"),
    [
        ("M1", opens("M1/.map_output")),
        ("M2", opens("M2/partition_")),
        ("R1", opens("R1/.output")),
        ("R2", opens("R2/output.")),
    ],
    ids=["before map", "after map", "before reduce", "after reduce"],
)
def test_a_killed_worker_in_the_last_iteration(tmp_path: Path, victim: str, moment: str) -> None:
    hook = at_first(moment, KILL, tmp_path / "killed")
    run = run_master(tmp_path, *options(k=3, n=1), env=environment_with_hook(tmp_path, hook))
    assert (run.returncode, run.stderr) == (0, "")
    assert story_of(tmp_path).of(WorkerLost, worker=victim)
    assert broken(tmp_path) == {}


def test_calls_that_fail(tmp_path: Path) -> None:
    assert broken(finished(tmp_path, "--fail-rate", 0.5, "--splits", 3)) == {}
