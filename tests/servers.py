"""Real servers of every role, in this process, with certificates if wanted."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.message import Message

from common.events.catalogue.run import InternalError
from common.events.dump import Dump
from common.events.log import Log
from common.rpc.address import new_master_socket
from common.rpc.channels import connect
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.server import Server
from common.store.node import NodeStore
from common.worker.member import Ending
from common.worker.service import Attempts, WorkerContext
from mapper.servicer import add_mapper
from master.cluster.membership import Membership
from master.run.recorder import Recorder
from master.views.terminal import Screen
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import add_MasterServicer_to_server, add_WorkerServicer_to_server
from reducer.servicer import add_reducer

NO_LOG = Recorder(None, Screen())
SERVICES = {
    "Worker": PeerRole.MAPPER,
    "Mapper": PeerRole.MAPPER,
    "Reducer": PeerRole.REDUCER,
    "Master": PeerRole.MASTER,
}


@dataclass
class Serving:
    """One server of each role, and the errors that they would have logged."""

    certificates: dict[PeerRole, Certificates | None]
    addresses: dict[PeerRole, str] = field(default_factory=dict)
    errors: list[InternalError] = field(default_factory=list)

    def channel(self, callee: PeerRole, caller: Certificates | None) -> grpc.Channel:
        """Connect as its user would."""
        return connect(self.addresses[callee], caller, callee)


@contextmanager
def listening(
    certificates: Certificates | None = None, on_error: Callable[[InternalError], None] = lambda *_: None
) -> Iterator[Server]:
    """Make a server, at a socket or, with certificates, at a free port; stop it when the block ends."""
    with ExitStack() as stack:
        listen = new_master_socket(stack) if certificates is None else "127.0.0.1:0"
        server = Server(certificates, on_error, listen)
        stack.callback(server.stop)
        yield server


LOCAL: dict[PeerRole, Certificates | None] = dict.fromkeys(PeerRole)
"""Nobody has certificates."""


@contextmanager
def serving(certificates: dict[PeerRole, Certificates | None], folder: Path) -> Iterator[Serving]:
    """Serve as a master, a mapper and a reducer until the block ends."""
    result = Serving(certificates)
    with ExitStack() as stack:
        for role in PeerRole:
            own = certificates[role]
            server = stack.enter_context(listening(own, result.errors.append))
            if role is PeerRole.MASTER:
                dump = Dump(folder / "dump.txt")
                stack.callback(dump.close)
                log = Recorder(dump, Screen())
                stack.callback(log.close)
                serve_master(server, own, log)
            else:
                add = add_mapper if role is PeerRole.MAPPER else add_reducer
                add(server.grpc, worker_context(folder / role, own))
                add_WorkerServicer_to_server(Ending(), server.grpc)
            server.start()
            result.addresses[role] = server.address
        yield result


def serve_master(
    server: Server,
    certificates: Certificates | None = None,
    log: Recorder = NO_LOG,
    *,
    takes_strangers: bool = True,
) -> Membership:
    """Add the Master service of a run that starts no process of its own."""
    membership = Membership(
        certificates, log, lambda news: None, lambda worker: None, takes_strangers=takes_strangers
    )
    membership.epoch = 1
    add_MasterServicer_to_server(membership, server.grpc)
    return membership


def worker_context(
    folder: Path, certificates: Certificates | None = None, log: Log = NO_LOG
) -> WorkerContext:
    """Make what a worker's service works with."""
    return WorkerContext(NodeStore(folder, 1), certificates, None, Attempts(), log)


def methods() -> dict[str, tuple[PeerRole, type[Message]]]:
    """Return every method of the wire: who serves it, and the class of its requests."""
    found = {}
    for service in pb.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            name = f"/{service.full_name}/{method.name}"
            found[name] = (SERVICES[service.name], getattr(pb, method.input_type.name))
    return found
