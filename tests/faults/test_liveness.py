"""A worker that stops without ending: work goes on elsewhere, and what it says later changes nothing."""

import signal
from pathlib import Path

from common.events.catalogue.tasks import SUCCESS, RpcCall, RpcResponse
from common.events.catalogue.workers import (
    WorkerJoined,
    WorkerKilled,
    WorkerLost,
    WorkerSilent,
    WorkerStarted,
)
from tests.moments import STOP, Gate, at_first, imports, opens
from tests.programs import (
    SAMPLE,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    environment_with_hook,
    free_port,
    make_certificates,
    options,
    remote_workers,
    run_master,
)
from tests.story import Fields, containing, story_of


def undisturbed(folder: Path, k: int) -> str:
    folder.mkdir()
    assert run_master(folder, *options(k=k), "--engine", "inline").returncode == 0
    return centroids_of(folder)


def test_a_stopped_mapper_is_overtaken_and_replaced(tmp_path: Path) -> None:
    """The other one goes on with its task before it is given up; the run's end waits for that here."""
    stop = at_first(opens("M1/.map_output"), STOP, tmp_path / "stopped")
    end = Gate(tmp_path, opens("R1/", job="score"))
    env = environment_with_hook(tmp_path, stop, end.hook)
    with BackgroundRun(tmp_path, *options(r=1, k=3), env=env) as run:
        killed = run.wait_for(WorkerKilled, worker="M1")
        end.open()
        assert run.end() == (0, "")
    before = run.story().before(killed)
    assert before.of(RpcCall, to="M2", method="Map", job="lloyd", iteration=1, task=1, attempt=2)
    assert before.of(WorkerSilent, worker="M1")
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


def test_a_stopped_mapper_of_another_host_is_left_out_until_it_wakes_up(tmp_path: Path) -> None:
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = [
        *options(k=3, r=1, input_path=tmp_path / "points.txt"),
        *remote_workers(master, certs, tmp_path),
    ]
    gate = Gate(tmp_path, opens("/c/node/.output"))
    env = environment_with_hook(tmp_path, gate.hook)
    with (
        JoinedWorker("mapper", master, certs, tmp_path / "a") as first,
        JoinedWorker("mapper", master, certs, tmp_path / "b") as second,
        JoinedWorker("reducer", master, certs, tmp_path / "c", env=env) as reducer,
        BackgroundRun(tmp_path, *arguments) as run,
    ):
        gate.wait()
        first.process.suspend()
        lost = run.wait_for(WorkerLost, worker=containing("M"), reason=containing("was silent"))
        first.process.send_signal(signal.SIGCONT)
        run.wait_for(WorkerJoined, after=lost, worker=lost.worker)
        gate.open()
        assert run.end() == (0, "")
        assert [worker.end()[0] for worker in (first, second, reducer)] == [0, 0, 0]
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)


def test_a_hung_mapper_is_replaced(tmp_path: Path) -> None:
    """Nobody else is there to take its task, so it waits until the mapper is given up."""
    hangs = at_first(opens("M1/.map_output"), "time.sleep(3600)", tmp_path / "hung")
    module = "master.scheduling.liveness"
    sooner = f"if {imports('master.cluster.registry')}: import {module}; {module}.HUNG_AFTER_S = 8"
    env = environment_with_hook(tmp_path, hangs, sooner)
    result = run_master(tmp_path, *options(m=1, k=3), env=env)
    assert (result.returncode, result.stderr) == (0, "")
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)
    story = story_of(tmp_path)
    given_up = story.of(WorkerKilled, worker="M1", reason="M1 hangs: no progress for 8 s")[0]
    assert story.after(given_up).of(WorkerStarted, worker="M1", incarnation=2)


def test_a_slow_mapper_is_overtaken(tmp_path: Path) -> None:
    """The other one is done and makes a backup; what the slow one answers late is not used."""
    gate = Gate(tmp_path, opens("M1/.map_output"))
    env = environment_with_hook(tmp_path, gate.hook)
    with BackgroundRun(tmp_path, *options(k=3), env=env) as run:
        call: Fields = {"method": "Map", "job": "lloyd", "iteration": 1, "task": 1}
        backup = run.wait_for(RpcResponse, from_="M2", **call, attempt=2, status=SUCCESS)
        gate.open()
        assert run.end() == (0, "")
    story = run.story()
    assert not story.before(backup).of(RpcResponse, from_="M1", method="Map", job="lloyd", iteration=1)
    assert [(it.to, it.attempt, it.backup) for it in story.of(RpcCall, **call)] == [
        ("M1", 1, False),
        ("M2", 2, True),
    ]
    assert not story.of(WorkerLost)
    assert not story.of(WorkerKilled)
    assert centroids_of(tmp_path) == undisturbed(tmp_path / "undisturbed", k=3)
