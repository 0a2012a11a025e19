"""Real servers of every role, in this process, with certificates if wanted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.message import Message

from common.events.dump import Dump
from common.rpc.channels import Server, connect
from common.rpc.credentials import Credentials, Party
from common.store.node import NodeStore
from common.worker.attempts import Attempts
from common.worker.member import Ending
from common.worker.service import Node
from mapper.servicer import add_mapper
from master.cluster.membership import Membership
from master.run.recorder import Recorder
from master.views.terminal import Silent
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import add_WorkerServicer_to_server
from reducer.servicer import add_reducer

NO_LOG = Recorder(None, Silent())
SERVICES = {"Worker": Party.MAPPER, "Mapper": Party.MAPPER, "Reducer": Party.REDUCER, "Master": Party.MASTER}


@dataclass
class Serving:
    """One server of each party, and the errors that they would have logged."""

    credentials: dict[Party, Credentials]
    addresses: dict[Party, str] = field(default_factory=dict)
    errors: list[BaseException] = field(default_factory=list)

    def channel(self, callee: Party, caller: Credentials) -> grpc.Channel:
        """Connect as its user would."""
        return connect(self.addresses[callee], caller, callee)


@contextmanager
def serving(credentials: dict[Party, Credentials], folder: Path) -> Iterator[Serving]:
    """Serve as a master, a mapper and a reducer until the block ends."""
    result = Serving(credentials)
    with ExitStack() as stack:
        for party in Party:
            own = credentials[party]
            server = Server(own, lambda number, error: result.errors.append(error))
            if party is Party.MASTER:
                dump = Dump(folder / "dump.txt")
                stack.callback(dump.close)
                log = Recorder(dump, Silent())
                stack.callback(log.close)
                Membership(server, own, 1, log, lambda news: None, lambda place, incarnation: None)
            else:
                add = add_mapper if party is Party.MAPPER else add_reducer
                add(server.grpc, node(folder / party, own))
                add_WorkerServicer_to_server(Ending(), server.grpc)
            server.start()
            stack.callback(server.stop)
            result.addresses[party] = server.address
        yield result


def node(folder: Path, credentials: Credentials) -> Node:
    """Make what a worker's service works with."""
    return Node(NodeStore(folder, 1), credentials, None, Attempts(), NO_LOG)


def methods() -> dict[str, tuple[Party, type[Message]]]:
    """Return every method of the wire: who serves it, and the class of its requests."""
    found = {}
    for service in pb.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            name = f"/{service.full_name}/{method.name}"
            found[name] = (SERVICES[service.name], getattr(pb, method.input_type.name))
    return found
