"""The master's side of who belongs to the cluster."""

import socket
import threading

from common.rpc.channels import connect
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.server import Server
from common.worker.member import Ending
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, add_WorkerServicer_to_server
from tests.servers import serve_master


def serve(credentials: Credentials, address: str = "127.0.0.1:0") -> Server:
    return Server(credentials, lambda number, error: None, address)


def test_one_that_joins_as_the_run_ends_is_told_so_once_it_serves() -> None:
    """The first connection to it fails, as it does until it serves."""
    credentials, ending = Credentials.fresh(), Ending()
    master = serve(credentials)
    membership = serve_master(master, credentials)
    master.start()
    with socket.create_server(("127.0.0.1", 0)) as not_yet:
        address = f"127.0.0.1:{not_yet.getsockname()[1]}"
        request = pb.JoinRequest(role=pb.ROLE_MAPPER, address=address, instance="late")
        channel = connect(master.address, credentials, PeerRole.MASTER)
        MasterStub(channel).Join(request, timeout=10)
        channel.close()
        closing = threading.Thread(target=membership.end)
        closing.start()
        not_yet.accept()[0].close()
    worker = serve(credentials, address)
    add_WorkerServicer_to_server(ending, worker.grpc)
    worker.start()
    told = ending.over.wait(10)
    closing.join()
    membership.close()
    master.stop()
    worker.stop()
    assert told
