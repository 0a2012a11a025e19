"""Workers that serve in this process, for a master that drives them."""

import queue
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from common.events.catalogue.tasks import RpcResponse
from common.formats.dataset import open_input, plan_splits
from common.jobs.centroids import Label
from common.model import Role, Stage, TaskOptions
from common.worker.lifeline import new_token
from mapper.servicer import add_mapper
from master.cluster.calls import StageOrder, WorkerCalls
from master.cluster.dispatcher import Arrival, Dispatcher, Inbox
from master.cluster.membership import Membership
from master.scheduling.messages import WorkerId
from reducer.servicer import add_reducer
from tests.programs import SAMPLE
from tests.servers import listening, worker_context
from tests.story import ListLog

ADD = {Role.MAPPER: add_mapper, Role.REDUCER: add_reducer}


@dataclass
class Pool:
    """A mapper and a reducer that have joined, and what their master has of them."""

    membership: Membership
    calls: WorkerCalls
    dispatcher: Dispatcher
    inbox: Inbox
    workers: dict[Role, WorkerId] = field(default_factory=dict)
    log: ListLog = field(default_factory=ListLog)

    def statuses(self, method: str) -> list[str]:
        """Return how the calls of a method ended."""
        return [answer.status for answer in self.log.of(RpcResponse) if answer.method == method]


def label_order(partitions: int = 0, splits: int = 2, sequence: int = 1) -> StageOrder:
    """Order the rows of the sample to be labelled."""
    file = open_input(str(SAMPLE))
    state = {"centroids": np.array([[0.0, 0.0], [9.0, 9.0]])}
    stage = Stage(sequence, "label", None, 0)
    return StageOrder(stage, Label(), state, [file.input] * splits, plan_splits(file, splits), partitions)


@contextmanager
def joined_pool(folder: Path) -> Iterator[Pool]:
    log = ListLog()
    inbox: Inbox = queue.SimpleQueue()
    membership = Membership(
        None, log, lambda news: inbox.put(Arrival(news)), lambda worker: None, takes_strangers=True
    )
    calls = WorkerCalls(membership, TaskOptions(), log)
    pool = Pool(membership, calls, Dispatcher(inbox, membership, calls, 0.0, log), inbox, log=log)
    with ExitStack() as stack:
        for role in Role:
            server = stack.enter_context(listening())
            ADD[role](server.grpc, worker_context(folder / role))
            server.start()
            worker = membership.join(role, new_token(), server.address)
            assert worker is not None
            pool.workers[role] = worker
        yield pool
        pool.dispatcher.close()
        membership.close()
