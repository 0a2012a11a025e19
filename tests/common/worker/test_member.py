"""A worker joins, works and learns of the end; what disturbs it is in tests/faults."""

import threading
from pathlib import Path

import pytest

from common.errors import RunFailedError
from common.model import Role
from common.rpc.credentials import Credentials
from common.rpc.server import Server
from common.worker.member import Member, Settings
from mapper.servicer import add_mapper
from tests.servers import NO_LOG, serve_master


def settings(master: str, folder: Path, credentials: Credentials, **more: int) -> Settings:
    return Settings(
        role=Role.MAPPER,
        master=master,
        credentials=credentials,
        listen="127.0.0.1:0",
        address="127.0.0.1:0",
        folder=folder,
        data_root=None,
        **more,
    )


def test_one_from_elsewhere_joins_serves_and_ends_with_the_run(tmp_path: Path) -> None:
    credentials = Credentials.fresh()
    master = Server(credentials, lambda *_: None)
    membership = serve_master(master, credentials)
    master.start()
    member = Member(settings(master.address, tmp_path, credentials))
    member.join()
    assert (member.identity.index, member.identity.incarnation, member.identity.epoch) == (1, 1, 1)
    member.serve(add_mapper, NO_LOG)
    ending = threading.Thread(target=membership.end)
    ending.start()
    member.send_heartbeats()
    ending.join()
    member.stop()
    master.stop()
    membership.close()


def test_one_that_its_master_did_not_start_is_refused(tmp_path: Path) -> None:
    credentials = Credentials.fresh()
    master = Server(credentials, lambda *_: None)
    serve_master(master, credentials)
    master.start()
    member = Member(settings(master.address, tmp_path, credentials, index=1, incarnation=1))
    with pytest.raises(RunFailedError, match="did not start that worker, or has replaced it"):
        member.join()
    member.stop()
    master.stop()
