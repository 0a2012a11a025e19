"""Real servers of every role, in this process, with certificates if wanted."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from google.protobuf.message import Message

from common.credentials import Credentials, Party
from common.dump import EventLog
from common.rpc import Server, connect
from common.store import NodeStore
from mapper.servicer import add_mapper
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterServicer, add_MasterServicer_to_server
from reducer.servicer import add_reducer

SERVICES = {"Mapper": Party.MAPPER, "Reducer": Party.REDUCER, "Master": Party.MASTER}


class Members(MasterServicer):
    """A master that takes in everyone; who may call it is decided before."""

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:  # noqa: N802
        return pb.JoinResponse()

    def Log(self, request: pb.LogRequest, context: grpc.ServicerContext) -> pb.LogResponse:  # noqa: N802
        return pb.LogResponse()


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
    log = EventLog("test", lambda event: None)
    with ExitStack() as stack:
        for party in Party:
            own = credentials[party]
            server = Server(own, lambda number, error: result.errors.append(error))
            if party is Party.MASTER:
                add_MasterServicer_to_server(Members(), server.grpc)
            elif party is Party.MAPPER:
                add_mapper(server.grpc, NodeStore(folder / "M1", 1), own, log)
            else:
                add_reducer(server.grpc, NodeStore(folder / "R1", 1), own, log)
            server.start()
            stack.callback(server.stop)
            result.addresses[party] = server.address
        yield result


def methods() -> dict[str, tuple[Party, type[Message]]]:
    """Return every method of the wire: who serves it, and the class of its requests."""
    found = {}
    for service in pb.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            name = f"/{service.full_name}/{method.name}"
            found[name] = (SERVICES[service.name], getattr(pb, method.input_type.name))
    return found
