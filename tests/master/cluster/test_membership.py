"""The master's side of who takes part."""

import socket
import threading

from common.rpc.channels import Server, connect
from common.rpc.credentials import Credentials, Party
from common.worker.member import Ending
from master.cluster.membership import Membership
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MasterStub, add_WorkerServicer_to_server
from tests.servers import NO_LOG


def serve(credentials: Credentials, address: str = "127.0.0.1:0") -> Server:
    return Server(credentials, lambda number, error: None, address)


def test_one_that_joins_as_the_run_ends_is_told_so_once_it_serves() -> None:
    """The first connection to it fails, as it does until it serves."""
    credentials, ending = Credentials.fresh(), Ending()
    master = serve(credentials)
    members = Membership(master, credentials, 1, NO_LOG, lambda news: None, lambda place, number: None)
    members.open()
    with socket.create_server(("127.0.0.1", 0)) as not_yet:
        address = f"127.0.0.1:{not_yet.getsockname()[1]}"
        request = pb.JoinRequest(role=pb.ROLE_MAPPER, address=address, instance="late")
        channel = connect(master.address, credentials, Party.MASTER)
        MasterStub(channel).Join(request, timeout=10)
        channel.close()
        closing = threading.Thread(target=members.close)
        closing.start()
        not_yet.accept()[0].close()
    worker = serve(credentials, address)
    add_WorkerServicer_to_server(ending, worker.grpc)
    worker.start()
    told = ending.over.wait(10)
    closing.join()
    worker.stop()
    assert told
