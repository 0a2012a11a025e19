"""Real servers of every role, in this process, with certificates if wanted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.message import Message

from common.events.dump import Dump
from common.events.log import Log
from common.rpc.channels import connect
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.server import Server
from common.store.node import NodeStore
from common.worker.attempts import Attempts
from common.worker.member import Ending
from common.worker.service import WorkerContext
from mapper.servicer import add_mapper
from master.cluster.membership import Membership
from master.cluster.supervisor import MasterService
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

    credentials: dict[PeerRole, Credentials]
    addresses: dict[PeerRole, str] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

    def channel(self, callee: PeerRole, caller: Credentials) -> grpc.Channel:
        """Connect as its user would."""
        return connect(self.addresses[callee], caller, callee)


@contextmanager
def serving(credentials: dict[PeerRole, Credentials], folder: Path) -> Iterator[Serving]:
    """Serve as a master, a mapper and a reducer until the block ends."""
    result = Serving(credentials)
    with ExitStack() as stack:
        for role in PeerRole:
            own = credentials[role]
            server = Server(own, lambda number, error: result.errors.append(error))
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
            stack.callback(server.stop)
            result.addresses[role] = server.address
        yield result


def serve_master(server: Server, credentials: Credentials, log: Recorder = NO_LOG) -> Membership:
    """Add the Master service of a run that starts no process of its own."""
    membership = Membership(credentials, log, lambda news: None, lambda worker: None)
    add_MasterServicer_to_server(MasterService(membership, 1, log), server.grpc)
    return membership


def worker_context(folder: Path, credentials: Credentials, log: Log = NO_LOG) -> WorkerContext:
    """Make what a worker's service works with."""
    return WorkerContext(NodeStore(folder, 1), credentials, None, Attempts(), log)


def methods() -> dict[str, tuple[PeerRole, type[Message]]]:
    """Return every method of the wire: who serves it, and the class of its requests."""
    found = {}
    for service in pb.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            name = f"/{service.full_name}/{method.name}"
            found[name] = (SERVICES[service.name], getattr(pb, method.input_type.name))
    return found
