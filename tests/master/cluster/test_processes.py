"""Worker processes, as the master holds them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from common.model import Role
from master.cluster.forks import ForkServer
from master.cluster.processes import WorkerProcess
from master.scheduling.messages import WorkerId
from tests.programs import PATIENCE_S


@pytest.fixture
def forks() -> Iterator[ForkServer]:
    with closing(ForkServer()) as server:
        yield server


@pytest.fixture
def process(forks: ForkServer, tmp_path: Path) -> WorkerProcess:
    return WorkerProcess(WorkerId(Role.MAPPER, 1, 1), forks, tmp_path)


def family(process: WorkerProcess) -> tuple[psutil.Process, psutil.Process]:
    """Return a worker's process and that of its fork server."""
    worker = psutil.Process(process.pid)
    server = worker.parent()
    assert server is not None
    return worker, server


def test_a_process_that_ended_is_introduced_in_vain(process: WorkerProcess) -> None:
    """It may end, and its pipe be closed, before the master has told it anything."""
    process.kill()
    assert process.wait() == ([], "was ended by signal 9 (SIGKILL)")
    process.introduce("unix:/nowhere")


def test_a_process_is_killed_before_its_fork_server_has_started_it(forks: ForkServer, tmp_path: Path) -> None:
    first = WorkerProcess(WorkerId(Role.MAPPER, 1, 1), forks, tmp_path)
    _, server = family(first)
    server.suspend()
    second = WorkerProcess(WorkerId(Role.MAPPER, 2, 1), forks, tmp_path)
    second.kill()
    server.resume()
    assert second.wait() == ([], "was ended by signal 9 (SIGKILL)")
    first.kill()
    assert first.wait() == ([], "was ended by signal 9 (SIGKILL)")


def test_a_process_ends_when_its_input_closes_and_has_a_successor(forks: ForkServer, tmp_path: Path) -> None:
    process = WorkerProcess(WorkerId(Role.REDUCER, 2, 1), forks, tmp_path)
    process.close_input()
    assert process.wait() == ([], "ended with exit code 0")
    after = process.successor()
    after.close_input()
    assert after.wait().how == "ended with exit code 0"
    assert after.worker == WorkerId(Role.REDUCER, 2, 2)


def test_a_worker_outlives_its_fork_server_and_another_one_starts_its_successor(
    process: WorkerProcess,
) -> None:
    worker, server = family(process)
    server.kill()
    process.end(5.0)
    assert process.wait() == ([], "ended; its fork server could not tell how")
    assert psutil.wait_procs([worker], timeout=PATIENCE_S)[1] == []
    after = process.successor()
    assert psutil.pid_exists(after.pid)
    after.kill()
    assert after.wait().how == "was ended by signal 9 (SIGKILL)"


def test_a_process_of_a_fork_server_that_stands_still_is_ended_all_the_same(
    forks: ForkServer, process: WorkerProcess
) -> None:
    worker, server = family(process)
    server.suspend()
    process.end(0.1)
    forks.close()
    assert not server.is_running()
    assert psutil.wait_procs([worker], timeout=PATIENCE_S)[1] == []
    assert process.wait().how == "ended; its fork server could not tell how"
