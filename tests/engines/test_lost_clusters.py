"""A cluster that is lost ends the run in one line, with nothing left; `--resume` gives the same bytes."""

import json
import multiprocessing
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from common.errors import RunFailedError
from common.events.catalogue.run import IterationStarted, RunFailed
from common.events.catalogue.workers import WorkerCame, WorkerLeft
from master.engines.dask.connect import connect
from tests.engines.runs import cluster, needs, needs_java
from tests.programs import (
    PATIENCE_S,
    SAMPLE_CENTROIDS,
    BackgroundRun,
    centroids_of,
    options,
    run_master,
    wait_until,
)

needs("distributed", "cryptography", "pyspark")
needs_java()
pytestmark = pytest.mark.slow

ASKED = [*options(m=2, r=2), "--task-delay", "0.5"]
SOON = ["--cluster-timeout", "5"]
LOST = "has had no living worker for 5 s; once it is up again, --resume continues the run\n"


@contextmanager
def in_mid_run(folder: Path, *arguments: object) -> Iterator[BackgroundRun]:
    """Wait until a run is in its second iteration; at the end no process of it is left."""
    with BackgroundRun(folder, *ASKED, *arguments) as run:
        run.wait_for(IterationStarted, iteration=2)
        processes = psutil.Process(run.process.pid).children(recursive=True)
        yield run
    assert psutil.wait_procs(processes, timeout=PATIENCE_S)[1] == []


def children(run: BackgroundRun, part: str) -> list[psutil.Process]:
    """Return the processes below a run whose command has this part."""
    found = psutil.Process(run.process.pid).children(recursive=True)
    return [process for process in found if part in _command(process)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it has just ended
        return ""


def strike(victims: Sequence[psutil.Process], *, kill: bool = True) -> None:
    """Stop processes, so that none restarts another one, and kill them."""
    for process in victims:
        process.suspend()
    for process in victims if kill else ():
        process.kill()


def daemons(folder: Path, names: Sequence[int]) -> list[psutil.Process]:
    """Return some daemons of a cluster, in the order in which they were started, and all that is below."""
    pids = [pid for pid, _ in json.loads((folder / "processes.json").read_text())]
    chosen = [psutil.Process(pids[name]) for name in names]
    return [each for daemon in chosen for each in (daemon, *daemon.children(recursive=True))]


def check_lost(run: BackgroundRun, *lines: str) -> None:
    code, error = run.end()
    assert (code, error) == (1, next((line for line in lines if line == error), lines[0]))
    assert [event.reason for event in run.story().of(RunFailed)] == [error[len("Error: ") : -1]]
    resumed = run_master(run.folder, *ASKED, "--engine", "inline", "--resume", "--quiet")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert centroids_of(run.folder) == SAMPLE_CENTROIDS
    assert not list((run.folder / "data").rglob(".*"))


def test_all_workers_of_a_dask_cluster_of_its_own_are_killed(tmp_path: Path) -> None:
    """Dask starts others, for which a busy machine may need a while, and the run goes on."""
    with in_mid_run(tmp_path, "--engine", "dask", "--cluster-timeout", "60") as run:
        strike(children(run, "spawn_main"))
        assert run.end() == (0, "")
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
    assert len(run.story().of(WorkerLeft)) == len(run.story().of(WorkerCame)) == 2


def test_one_worker_of_a_dask_cluster_of_its_own_hangs(tmp_path: Path) -> None:
    """Dask replaces it."""
    with in_mid_run(tmp_path, "--engine", "dask", *SOON) as run:
        strike(children(run, "spawn_main")[:1], kill=False)
        assert run.end() == (0, "")
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS


@pytest.mark.parametrize("when", ["at work", "as they start again"])
def test_all_workers_of_a_dask_cluster_of_its_own_hang(tmp_path: Path, when: str) -> None:
    with in_mid_run(tmp_path, "--engine", "dask", *SOON) as run:
        workers = children(run, "spawn_main")
        if when != "at work":
            strike(workers)
            workers = starting_workers(run, workers)
        strike(workers, kill=False)
        code, error = run.end()
    assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []
    assert (code, error.startswith("Error: Dask at tls://127.0.0.1:"), error.endswith(LOST)) == (
        1,
        True,
        True,
    )
    assert error.count("\n") == 1


def test_all_workers_of_a_dask_cluster_of_its_own_hang_as_they_start(tmp_path: Path) -> None:
    """The run can be interrupted."""
    with BackgroundRun(tmp_path, *ASKED, "--engine", "dask") as run:
        workers = starting_workers(run, [])
        strike(workers, kill=False)
        run.process.send_signal(signal.SIGINT)
        assert run.end() == (130, "Error: interrupted: the workers are stopped\n")
    assert psutil.wait_procs(workers, timeout=PATIENCE_S)[1] == []


def test_the_workers_of_a_dask_cluster_of_its_own_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("master.engines.dask.connect._START_S", 0.01)
    with (
        pytest.raises(RunFailedError, match=r"^only 0 of 2 Dask workers have started in 0.01 s$"),
        connect(None, 2),
    ):
        pass
    assert multiprocessing.active_children() == []


def starting_workers(run: BackgroundRun, earlier: list[psutil.Process]) -> list[psutil.Process]:
    """Return the two workers that a run starts next; they are far from being up."""

    def started() -> list[psutil.Process] | None:
        found = [process for process in children(run, "spawn_main") if process not in earlier]
        return found if len(found) == 2 else None

    return wait_until(started, "workers")


@pytest.mark.parametrize(
    ("victims", "kill"),
    [([1, 2], True), ([1, 2], False), ([0], True), ([0], False)],
    ids=["workers killed", "workers stopped", "scheduler killed", "scheduler stopped"],
)
def test_dask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victims: list[int], kill: bool) -> None:
    folder = tmp_path / "dask"
    with cluster("dask", folder):
        url = (folder / "address").read_text()
        monkeypatch.setenv("DASK_CONFIG", str(folder / "conf"))
        with in_mid_run(tmp_path, "--engine", "dask", "--dask-scheduler", url, *SOON) as run:
            struck = daemons(folder, victims)
            strike(struck, kill=kill)
            gone = "has lost its scheduler; once it is up again, --resume continues the run\n"
            check_lost(run, *(f"Error: Dask at {url} {what}" for what in (LOST, gone)))
        for process in struck:
            with suppress(psutil.NoSuchProcess):
                process.resume()


@pytest.mark.parametrize("victims", [[1, 2], [0, 1, 2]], ids=["workers", "workers and master"])
def test_spark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victims: list[int]) -> None:
    folder = tmp_path / "spark"
    with cluster("spark", folder):
        monkeypatch.setenv("SPARK_CONF_DIR", str(folder / "conf"))
        monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
        with in_mid_run(tmp_path, "--engine", "spark", *SOON) as run:
            struck = daemons(folder, victims)
            strike(struck)
            (url,) = re.findall(
                r"spark\.master +(\S+)", (folder / "conf" / "spark-defaults.conf").read_text()
            )
            check_lost(run, f"Error: Spark at {url} {LOST}")


def test_the_java_process_of_spark_is_killed(tmp_path: Path) -> None:
    with in_mid_run(tmp_path, "--engine", "spark", "--spark-master", "local[2]") as run:
        strike(children(run, "org.apache.spark"))
        check_lost(
            run, "Error: Spark has lost its Java process; once it is up again, --resume continues the run\n"
        )


def test_spark_is_interrupted(tmp_path: Path) -> None:
    with in_mid_run(tmp_path, "--engine", "spark", "--spark-master", "local[2]") as run:
        run.process.send_signal(signal.SIGINT)
        assert run.end() == (130, "Error: interrupted: the workers are stopped\n")
