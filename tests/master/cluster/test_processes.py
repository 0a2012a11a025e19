"""Worker processes, as the master holds them."""

from pathlib import Path

from common.model import Role
from master.cluster.processes import WorkerProcess


def test_a_process_that_ended_is_introduced_in_vain(tmp_path: Path) -> None:
    """It may end, and its pipe be closed, before the master has told it anything."""
    process = WorkerProcess(Role.MAPPER, 1, 1, tmp_path)
    process.kill()
    assert process.watch() == ([], "was ended by signal 9 (SIGKILL)")
    process.introduce("127.0.0.1:1", "secret")
