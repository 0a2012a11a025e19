"""Worker processes, as the master holds them."""

from pathlib import Path

from common.model import Role
from master.cluster.processes import WorkerProcess
from master.scheduling.messages import WorkerId


def test_a_process_that_ended_is_introduced_in_vain(tmp_path: Path) -> None:
    """It may end, and its pipe be closed, before the master has told it anything."""
    process = WorkerProcess(WorkerId(Role.MAPPER, 1, 1), tmp_path)
    process.kill()
    assert process.wait() == ([], "was ended by signal 9 (SIGKILL)")
    process.introduce("unix:/nowhere")


def test_a_process_ends_when_its_input_closes_and_has_a_successor(tmp_path: Path) -> None:
    process = WorkerProcess(WorkerId(Role.REDUCER, 2, 1), tmp_path)
    process.close_input()
    assert process.wait() == ([], "ended with exit code 0")
    after = process.successor()
    after.close_input()
    assert after.wait().how == "ended with exit code 0"
    assert after.worker == WorkerId(Role.REDUCER, 2, 2)
