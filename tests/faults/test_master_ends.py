"""However the master ends, its workers do too, and nothing half-written is left."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import pytest

from common.events.catalogue.run import IterationStarted, RunFailed
from common.events.catalogue.tasks import RpcCall
from common.events.catalogue.workers import WorkerStarted
from common.events.line import read_dump
from tests.moments import Gate, calm_environment, imports, opens
from tests.programs import (
    PATIENCE_S,
    SAMPLE_CENTROIDS,
    BackgroundRun,
    centroids_of,
    environment,
    environment_with_hook,
    options,
    wait_until,
    worker_processes,
)
from tests.story import Story


def workers_of(run: BackgroundRun) -> list[psutil.Process]:
    run.wait_for(RpcCall, method="Map", job="describe")
    workers = worker_processes(psutil.Process(run.process.pid))
    assert len(workers) == 4
    return workers


SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]

AT_A_TERMINAL = """
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.executable, [sys.executable, "-m", "master", *sys.argv[1:]])
print(pid, flush=True)
while os.read(terminal, 1000):
    pass
"""


def nothing_is_left(folder: Path) -> bool:
    """Tell whether what only a run needs is gone from its data directory."""
    return not list((folder / "data").rglob(".*"))


@pytest.mark.parametrize(("number", "code"), [(number, 128 + number) for number in SIGNALS])
def test_interrupted(tmp_path: Path, number: signal.Signals, code: int) -> None:
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        run.process.send_signal(number)
        assert run.end() == (code, "Error: interrupted: the workers are stopped\n")
        assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
    assert not (tmp_path / "data" / "centroids.txt").exists()
    assert nothing_is_left(tmp_path)
    assert run.story().of(RunFailed)[0].reason == "interrupted: the workers are stopped"


@pytest.mark.parametrize("more", [[], ["--quiet"]], ids=["bar", "quiet"])
def test_its_terminal_is_closed(tmp_path: Path, more: list[str]) -> None:
    arguments = [*options(), "--task-delay", "60", *more]
    emulator = subprocess.Popen(
        [sys.executable, "-c", AT_A_TERMINAL, *arguments],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert emulator.stdout is not None
    master = psutil.Process(int(emulator.stdout.readline()))
    dump = tmp_path / "dump.txt"
    wait_until(lambda: dump.exists() and "event=rpc_call" in dump.read_text(), "calls")
    workers = worker_processes(master)
    emulator.kill()
    emulator.communicate()
    assert psutil.wait_procs([master, *workers], timeout=PATIENCE_S)[1] == []
    assert nothing_is_left(tmp_path)
    failed = Story(read_dump(dump)).of(RunFailed)
    assert [event.reason for event in failed] == ["interrupted: the workers are stopped"]


def test_nohup_is_heeded(tmp_path: Path) -> None:
    gate = Gate(tmp_path, opens(".map_output"))
    env = environment_with_hook(tmp_path, gate.hook)
    with BackgroundRun(tmp_path, *options(), prefix=["nohup"], env=env) as run:
        gate.wait()
        run.process.send_signal(signal.SIGHUP)
        gate.open()
        assert run.end()[0] == 0
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS


def test_interrupted_twice(tmp_path: Path) -> None:
    """The second time while it waits for a worker that doesn't end by itself."""
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers = workers_of(run)
        stopped, other = run.worker("M1"), run.worker("M2")
        stopped.suspend()
        run.process.send_signal(signal.SIGINT)
        psutil.wait_procs([other], timeout=PATIENCE_S)
        run.process.send_signal(signal.SIGINT)
        code, error = run.end()
        with suppress(psutil.NoSuchProcess):
            stopped.resume()
        assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
    # It may have ended, or be about to, meanwhile.
    assert code in (-signal.SIGINT, 130)
    assert error in ("", "Error: interrupted: the workers are stopped\n")
    assert not (tmp_path / "data" / "centroids.txt").exists()


def test_killed(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(), "--task-delay", 60) as run:
        workers_of(run)
        run.kill()
    assert not (tmp_path / "data" / "centroids.txt").exists()


@pytest.mark.parametrize("worker", ["M1", "R2"])
def test_killed_while_its_workers_start(tmp_path: Path, worker: str) -> None:
    with (
        TemporaryDirectory(prefix="s-") as short,  # as a socket's path must be
        BackgroundRun(tmp_path, *options(m=6, r=6), env=environment() | {"TMPDIR": short}) as run,
    ):
        run.wait_for(WorkerStarted, worker=worker)
        assert len(list(Path(short).iterdir())) == 1
        run.kill()
        assert list(Path(short).iterdir()) == []


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
        assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []


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
        workers_of(run)
        run.kill()
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
