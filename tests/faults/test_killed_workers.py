"""A worker that answers FAILURE or dies at any moment changes nothing in the result."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.programs import BackgroundRun, centroids_of, options, run_master


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_master(folder, *options(k=3)).returncode == 0
    return centroids_of(folder)


@pytest.mark.parametrize("seed", [7])
def test_half_of_all_calls_fail(tmp_path: Path, seed: int) -> None:
    def run(name: str, *more: object) -> tuple[str, str]:
        (tmp_path / name).mkdir()
        result = run_master(tmp_path / name, *options(m=3, k=3), "--seed", seed, *more)
        assert (result.returncode, result.stderr) == (0, "")
        return centroids_of(tmp_path / name), (tmp_path / name / "dump.txt").read_text()

    centroids, calm = run("calm")
    assert run("failing", "--fail-rate", 0.5)[0] == centroids
    _, dump = run("again", "--fail-rate", 0.5)
    assert "status=FAILURE" not in calm
    failures = re.findall(
        r"method=(Map|Reduce) .*attempt=(\d+) status=FAILURE .*injected by --fail-rate", dump
    )
    assert {method for method, _ in failures} == {"Map", "Reduce"}
    attempts = {int(attempt) for _, attempt in failures}
    assert f"attempt={max(attempts) + 1}" in dump


@pytest.mark.parametrize(
    ("victim", "moment", "retried"),
    [
        ("M1", r"^\S+ M1 event=map_started job=lloyd", "Map"),
        ("M2", r"event=rpc_response from=M2 method=Map job=lloyd iteration=2 .*SUCCESS", "Map"),
        ("R1", r"^\S+ R1 event=reduce_started job=lloyd", "Reduce"),
        ("R2", r"event=rpc_response from=R2 method=Reduce job=lloyd iteration=1 .*SUCCESS", ""),
        ("M1", r"event=rpc_call to=M1 method=Map job=describe", "Map"),
        ("R1", r"event=rpc_call to=R1 method=Reduce job=score", "Reduce"),
    ],
    ids=["before map", "after map", "before reduce", "after reduce", "first job", "last job"],
)
def test_killed(tmp_path: Path, undisturbed: str, victim: str, moment: str, retried: str) -> None:
    with BackgroundRun(tmp_path, *options(k=3), "--task-delay", 0.2) as run:
        run.wait_for(moment)
        process = run.worker(victim)
        process.kill()
        assert run.end() == (0, "")
    assert centroids_of(tmp_path) == undisturbed
    dump = run.dump()
    assert f"event=worker_lost worker={victim} pid={process.pid}" in dump
    assert f"event=worker_joined worker={victim}" in dump.split("event=worker_lost")[1]
    if retried:
        assert re.search(rf"method={retried} .*attempt=2 status=SUCCESS", dump)


def test_killed_in_the_middle_of_a_long_map(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(1).normal(size=(300_000, 2)))
    arguments = options(k=4, n=3, input_path=path)
    with BackgroundRun(tmp_path, *arguments) as run:
        run.wait_for(r"^\S+ M1 event=map_started job=lloyd")
        run.worker("M1").kill()
        assert run.end() == (0, "")
    assert re.search(r"M1 method=Map job=lloyd iteration=\d task=1 attempt=1 status=FAILURE", run.dump())
    centroids = centroids_of(tmp_path)
    assert run_master(tmp_path, *arguments, "--engine", "inline").returncode == 0
    assert centroids == centroids_of(tmp_path)


def test_every_worker_killed_once(tmp_path: Path, undisturbed: str) -> None:
    with BackgroundRun(tmp_path, *options(k=3), "--task-delay", 0.2) as run:
        run.wait_for("event=iteration_started iteration=2")
        for name in ("M1", "R2", "M2", "R1"):
            run.worker(name).kill()
        assert run.end() == (0, "")
    assert centroids_of(tmp_path) == undisturbed


def test_a_worker_that_dies_again_and_again_ends_the_run(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(m=1), "--task-delay", 60) as run:
        for incarnation in range(1, 5):
            run.wait_for(rf"worker_started worker=M1 pid=\d+ incarnation={incarnation}")
            run.worker("M1").kill()
        code, error = run.end()
    assert code == 1
    assert re.fullmatch(r"Error: .*M1 \(process \d+\) was ended by signal 9 \(SIGKILL\)\n", error)
    assert not (tmp_path / "data" / "centroids.txt").exists()


def test_labels_survive_a_mapper_killed_before_they_are_read(tmp_path: Path) -> None:
    """It has another task to do by then; what it made of the first one is lost."""
    slowly = "--splits", 4, "--task-delay", 0.5, "--labels", "labels.txt"
    with BackgroundRun(tmp_path, *options(k=3), *slowly) as run:
        run.wait_for("from=M1 method=Map job=label task=1 attempt=1 status=SUCCESS")
        run.worker("M1").kill()
        assert run.end() == (0, "")
    assert re.search("method=Map job=label task=1 attempt=2 status=SUCCESS", run.dump())
    labels = (tmp_path / "labels.txt").read_text()
    assert run_master(tmp_path, *options(k=3), "--engine", "inline", "--labels", "inline.txt").returncode == 0
    assert labels == (tmp_path / "inline.txt").read_text()
