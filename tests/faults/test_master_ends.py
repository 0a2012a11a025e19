"""However the master ends, its workers do too, and nothing half-written is left."""

import signal
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from common.events.catalogue.run import IterationStarted
from common.events.catalogue.tasks import RpcCall
from common.events.catalogue.workers import WorkerStarted
from tests.moments import calm_environment, imports
from tests.programs import (
    BackgroundRun,
    environment_with_hook,
    options,
    worker_processes,
)


def workers_of(run: BackgroundRun) -> list[psutil.Process]:
    run.wait_for(RpcCall, method="Map", job="describe")
    workers = worker_processes(psutil.Process(run.process.pid))
    assert len(workers) == 4
    return workers


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)
def test_interrupted(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        run.process.send_signal(number)
        assert run.end() == (code, "Error: interrupted: the workers are stopped\n")
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert not (tmp_path / "data" / "centroids.txt").exists()
    assert not (tmp_path / "data" / ".lock").exists()


def test_interrupted_twice(tmp_path: Path) -> None:
    """The second time while it waits for a worker that doesn't end by itself."""
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        stopped, other = run.worker("M1"), run.worker("M2")
        stopped.suspend()
        run.process.send_signal(signal.SIGINT)
        psutil.wait_procs([other], timeout=60)
        run.process.send_signal(signal.SIGINT)
        code, error = run.end()
        with suppress(psutil.NoSuchProcess):
            stopped.resume()
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    # It may have ended, or be about to, meanwhile.
    assert code in (-signal.SIGINT, 130)
    assert error in ("", "Error: interrupted: the workers are stopped\n")
    assert not (tmp_path / "data" / "centroids.txt").exists()


def test_killed(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        run.process.kill()
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    assert not (tmp_path / "data" / "centroids.txt").exists()


@pytest.mark.parametrize("worker", ["M1", "R2"])
def test_killed_while_its_workers_start(tmp_path: Path, worker: str) -> None:
    with BackgroundRun(tmp_path, *options(m=6, r=6)) as run:
        run.wait_for(WorkerStarted, worker=worker)
        workers = worker_processes(psutil.Process(run.process.pid))
        run.process.kill()
        assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_interrupted_in_the_first_moment(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    hook = f"if {imports('master.cli.commands')}: os.kill(os.getpid(), 2)"
    with BackgroundRun(tmp_path / "run", *options(), env=environment_with_hook(tmp_path, hook)) as run:
        assert run.end() == (130, "Error: interrupted: the workers are stopped\n")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_stopped_worker_is_ended_too(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        run.worker("M1").suspend()
        run.process.send_signal(signal.SIGINT)
        assert run.end()[0] == 130
        assert psutil.wait_procs(workers, timeout=60)[1] == []


def test_a_data_directory_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(n=1), "--task-delay", 1) as first:
        first.wait_for(IterationStarted)
        master = psutil.Process(first.process.pid)
        master.suspend()  # it is still there however long the second takes to start
        with BackgroundRun(tmp_path, *options(), "--dump", "other.txt") as second:
            code, error = second.end()
        master.resume()
        assert code == 2
        assert error == (
            f"Error: data is in use by process {first.process.pid}; "
            "wait for it, or choose another --data-dir\n"
        )
        assert not (tmp_path / "other.txt").exists()
        assert first.end() == (0, "")
    assert (tmp_path / "data" / "centroids.txt").exists()


def test_a_run_after_a_killed_one_works(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        run.process.kill()
        assert psutil.wait_procs(workers, timeout=60)[1] == []
    with BackgroundRun(tmp_path, *options(), env=calm_environment()) as run:
        assert run.end() == (0, "")
    assert (tmp_path / "data" / "centroids.txt").exists()
    assert sorted(path.name for path in (tmp_path / "data" / "mappers" / "M1").iterdir()) == [
        ".mapreduce",
        "manifest.txt",
        "map_output.txt",
        "partition_1.txt",
        "partition_2.txt",
    ]
