"""A worker joins, works and learns of the end; what disturbs it is in tests/faults."""

import threading
from pathlib import Path

import pytest

from common.errors import RunFailedError
from common.model import Role
from common.rpc.address import socket_beside
from common.rpc.channels import connect
from common.rpc.credentials import PeerRole
from common.worker.lifeline import new_token
from common.worker.member import Member, Settings
from mapper.servicer import add_mapper
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import WorkerStub
from tests.programs import PATIENCE_S, wait_until
from tests.servers import NO_LOG, listening, serve_master


def settings(master: str, folder: Path, *, own: bool = False) -> Settings:
    address = socket_beside(master, "mapper")
    return Settings(
        role=Role.MAPPER,
        master=master,
        certificates=None,
        listen=address,
        address=address,
        folder=folder,
        data_root=None,
        token=new_token(),
        own=own,
    )


def test_one_from_elsewhere_joins_serves_and_ends_with_the_run(tmp_path: Path) -> None:
    with listening() as master:
        membership = serve_master(master)
        master.start()
        member = Member(settings(master.address, tmp_path))
        assert member.join()
        assert member.name == "M1"
        member.serve(add_mapper, NO_LOG)
        ending = threading.Thread(target=membership.end)
        ending.start()
        member.send_heartbeats()
        ending.join()
        member.stop()
        membership.close()


def test_who_tells_it_the_end_gets_an_answer(tmp_path: Path) -> None:
    """Again and again, for it ends at once. Without an answer a master waits until it counts as dead."""
    with listening() as master:
        serve_master(master)
        master.start()
        for _ in range(40):
            member = Member(settings(master.address, tmp_path))
            member.join()
            member.serve(add_mapper, NO_LOG)
            channel = connect(socket_beside(master.address, "mapper"), None, PeerRole.MAPPER)
            answer = WorkerStub(channel).End.future(pb.EndRequest(), timeout=PATIENCE_S)
            member.send_heartbeats()
            member.stop()
            assert answer.result() == pb.EndResponse()
            channel.close()


def test_one_whose_run_is_over_before_it_hears_that_it_joined(tmp_path: Path) -> None:
    with listening() as master:
        membership = serve_master(master)
        master.start()
        member = Member(settings(master.address, tmp_path))
        assert member.join()
        ending = threading.Thread(target=membership.end)
        ending.start()
        wait_until(lambda: not member.join(), "the end")
        ending.join()
        member.stop()
        membership.close()


@pytest.mark.parametrize("own", [False, True])
def test_one_that_its_master_did_not_start_is_refused(tmp_path: Path, own: bool) -> None:
    with listening() as master:
        serve_master(master, takes_strangers=False)
        master.start()
        member = Member(settings(master.address, tmp_path, own=own))
        with pytest.raises(RunFailedError, match="did not start that worker, or has replaced it"):
            member.join()
        member.stop()
