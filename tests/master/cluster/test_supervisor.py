"""A process that ends is started again, and all end with the cluster."""

import queue
from contextlib import ExitStack
from pathlib import Path

from common.model import Role
from common.rpc.address import new_master_socket
from master.cluster.forks import ForkServer
from master.cluster.processes import WorkerProcess
from master.cluster.supervisor import Cluster
from master.scheduling.messages import WorkerGone, WorkerId, WorkerNotice, WorkerReady
from tests.programs import PATIENCE_S, worker_processes
from tests.servers import NO_LOG

Inbox = queue.SimpleQueue[WorkerNotice]


def test_a_process_that_is_killed_is_replaced_and_all_end_with_the_cluster(tmp_path: Path) -> None:
    forks = ForkServer()
    inbox, process = Inbox(), WorkerProcess(WorkerId(Role.MAPPER, 1, 1), forks, tmp_path)
    stack = ExitStack()
    cluster = Cluster([process], None, new_master_socket(stack), NO_LOG, inbox.put, takes_strangers=False)
    cluster.start()
    assert inbox.get(timeout=PATIENCE_S) == WorkerReady(WorkerId(Role.MAPPER, 1, 1))
    process.kill()
    lost = inbox.get(timeout=PATIENCE_S)
    assert isinstance(lost, WorkerGone)
    assert (lost.worker, lost.returns) == (process.worker, True)
    assert lost.reason == f"M1 (process {process.pid}) was ended by signal 9 (SIGKILL)"
    assert inbox.get(timeout=PATIENCE_S) == WorkerReady(WorkerId(Role.MAPPER, 1, 2))
    cluster.close()
    assert worker_processes() == []
    forks.close()
    stack.close()
