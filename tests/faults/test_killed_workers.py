"""A worker that answers FAILURE or dies at any moment changes nothing in the result."""

import re
from pathlib import Path

import numpy as np
import pytest

from common.events.catalogue.tasks import FAILURE, SUCCESS, RpcCall, RpcResponse
from common.events.catalogue.workers import WorkerJoined, WorkerLost, WorkerStarted
from tests.moments import KILL, NO_STRAGGLERS, at_first, calm_environment, opens
from tests.programs import (
    BackgroundRun,
    centroids_of,
    environment_with_hook,
    options,
    run_master,
)
from tests.story import Fields, Story, containing, story_of


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_master(folder, *options(k=3)).returncode == 0
    return centroids_of(folder)


@pytest.mark.parametrize("seed", [7])
def test_half_of_all_calls_fail(tmp_path: Path, seed: int) -> None:
    def run(name: str, *more: object) -> tuple[str, Story]:
        (tmp_path / name).mkdir()
        arguments = (*options(m=3, k=3), "--seed", seed, *more)
        result = run_master(tmp_path / name, *arguments, env=calm_environment())
        assert (result.returncode, result.stderr) == (0, "")
        return centroids_of(tmp_path / name), story_of(tmp_path / name)

    centroids, calm = run("calm")
    assert run("failing", "--fail-rate", 0.5)[0] == centroids
    _, story = run("again", "--fail-rate", 0.5)
    assert not calm.of(RpcResponse, status=FAILURE)
    failures = story.of(RpcResponse, status=FAILURE, reason=containing("injected by --fail-rate"))
    assert {failure.method for failure in failures} == {"Map", "Reduce"}
    assert story.of(RpcCall, attempt=max(failure.attempt for failure in failures) + 1)


@pytest.mark.parametrize(
    ("victim", "moment", "retried"),
    [
        ("M1", opens("M1/.map_output"), {"method": "Map", "job": "lloyd", "iteration": 1}),
        ("M2", opens("M2/partition_"), {"method": "Map", "job": "lloyd", "iteration": 1}),
        ("R1", opens("R1/.output"), {"method": "Reduce", "job": "lloyd", "iteration": 1}),
        ("R2", opens("R2/output."), {"method": "Reduce", "job": "lloyd", "iteration": 1}),
        ("M1", opens("M1/", job="describe"), {"method": "Map", "job": "describe"}),
        ("R1", opens("R1/", job="score"), {"method": "Reduce", "job": "score"}),
    ],
    ids=["before map", "after map", "before reduce", "after reduce", "first job", "last job"],
)
def test_killed(tmp_path: Path, undisturbed: str, victim: str, moment: str, retried: Fields) -> None:
    hook = at_first(moment, KILL, tmp_path / "killed")
    result = run_master(tmp_path, *options(k=3), env=environment_with_hook(tmp_path, hook))
    assert (result.returncode, result.stderr) == (0, "")
    assert centroids_of(tmp_path) == undisturbed
    story = story_of(tmp_path)
    first = story.of(WorkerStarted, worker=victim)[0]
    (lost,) = story.of(WorkerLost, worker=victim, pid=first.pid)
    assert story.after(lost).of(WorkerJoined, worker=victim)
    assert story.of(RpcResponse, **retried, attempt=2, status=SUCCESS)


def test_killed_in_the_middle_of_a_long_map(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(1).normal(size=(300_000, 2)))
    arguments = options(k=4, n=3, input_path=path)
    hook = at_first(opens("M1/.partition_2"), KILL, tmp_path / "killed")
    assert run_master(tmp_path, *arguments, env=environment_with_hook(tmp_path, hook)).returncode == 0
    first: Fields = {"from_": "M1", "method": "Map", "job": "lloyd", "iteration": 1, "task": 1, "attempt": 1}
    assert story_of(tmp_path).of(RpcResponse, **first, status=FAILURE)
    centroids = centroids_of(tmp_path)
    assert run_master(tmp_path, *arguments, "--engine", "inline").returncode == 0
    assert centroids == centroids_of(tmp_path)


def test_every_worker_killed_once(tmp_path: Path, undisturbed: str) -> None:
    files = {"M1": ".map_output", "M2": ".map_output", "R1": ".output", "R2": ".output"}
    hooks = [at_first(opens(f"{name}/{file}"), KILL, tmp_path / name) for name, file in files.items()]
    assert run_master(tmp_path, *options(k=3), env=environment_with_hook(tmp_path, *hooks)).returncode == 0
    assert centroids_of(tmp_path) == undisturbed
    assert sorted(lost.worker for lost in story_of(tmp_path).of(WorkerLost)) == sorted(files)


def test_the_process_that_forks_workers_is_killed_as_it_starts_them(tmp_path: Path, undisturbed: str) -> None:
    hook = at_first("event == 'os.fork'", KILL, tmp_path / "killed", nth=2)
    assert run_master(tmp_path, *options(k=3), env=environment_with_hook(tmp_path, hook)).returncode == 0
    assert centroids_of(tmp_path) == undisturbed


def test_a_worker_that_dies_again_and_again_ends_the_run(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(m=1), "--task-delay", 60) as run:
        for incarnation in range(1, 5):
            run.wait_for(WorkerStarted, worker="M1", incarnation=incarnation)
            run.worker("M1").kill()
        code, error = run.end()
    assert code == 1
    assert re.fullmatch(r"Error: .*M1 \(process \d+\) was ended by signal 9 \(SIGKILL\)\n", error)
    assert not (tmp_path / "data" / "centroids.txt").exists()


def test_labels_survive_a_mapper_killed_before_they_are_read(tmp_path: Path) -> None:
    """It has another task to do by then; what it made of the first one is lost."""
    moment = opens("task_3/.map_output", job="label")
    hook = at_first(f"{moment} and '/M1/' in str(arguments[0])", KILL, tmp_path / "killed")
    arguments = (*options(k=3), "--splits", 4, "--labels", "labels.txt")
    env = environment_with_hook(tmp_path, hook, NO_STRAGGLERS)
    assert run_master(tmp_path, *arguments, env=env).returncode == 0
    story = story_of(tmp_path)
    done: Fields = {"method": "Map", "job": "label", "task": 1, "status": SUCCESS}
    assert story.of(RpcResponse, **done, from_="M1", attempt=1)
    assert story.of(RpcResponse, **done, attempt=2)
    labels = (tmp_path / "labels.txt").read_text()
    assert run_master(tmp_path, *options(k=3), "--engine", "inline", "--labels", "inline.txt").returncode == 0
    assert labels == (tmp_path / "inline.txt").read_text()
