"""Where a server may listen."""

import getpass
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import UsageError
from common.rpc.address import SOCKET
from common.rpc.credentials import Certificates, PeerRole
from common.rpc.server import Server
from master.cli.authority import make_folders
from tests.programs import ROOT, environment
from tests.servers import listening


def test_another_user_can_open_neither_the_socket_nor_its_folder() -> None:
    with listening() as server:
        path = Path(server.address.removeprefix(SOCKET))
        assert path.is_socket()
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert path.parent.owner() == getpass.getuser()
    assert not path.parent.exists()


def test_a_long_folder_of_temporary_files_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    with listening() as server:
        server.start()
        assert server.address.startswith("unix:/tmp/")
    assert list(long.iterdir()) == []


@pytest.mark.parametrize(
    "listen",
    [
        "127.0.0.1:0",
        "0.0.0.0:0",
        "[::]:0",
        "192.0.2.1:0",
        "localhost:0",
        "example.org:0",
        "unix-abstract:x",
        "",
    ],
)
def test_what_others_can_reach_needs_certificates(listen: str) -> None:
    with pytest.raises(UsageError, match=r"needs --certs; make certificates with: python -m master certs"):
        Server(None, lambda *_: None, listen)


@pytest.fixture
def master(tmp_path: Path) -> Certificates:
    make_folders(tmp_path / "certs", datetime.now(UTC) + timedelta(days=1))
    return Certificates.load(tmp_path / "certs", PeerRole.MASTER)


def test_a_port_in_use(master: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"^cannot listen on {listen}: it is in use"):
            Server(master, lambda *_: None, listen)


def test_with_certificates_other_machines_may_come(master: Certificates) -> None:
    server = Server(master, lambda *_: None, "0.0.0.0:0")
    host, port = server.address.split(":")
    assert host == "0.0.0.0"
    assert int(port) > 0


FORKS = """
import os

from common.rpc.channels import connect
from common.rpc.credentials import PeerRole
from tests.servers import listening
import grpc

def threads_of_child():
    child = os.fork()
    if child == 0:
        os._exit(len(os.listdir("/proc/self/task")))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

with listening() as server:
    server.start()
    with connect(server.address, None, PeerRole.MASTER) as channel:
        grpc.channel_ready_future(channel).result(600)
        print(max(threads_of_child() for _ in range(50)))
"""


def test_a_forked_child_has_no_threads_of_grpc() -> None:
    """Spark starts Java by a fork; with gRPC's threads in it, it now and then dies before it is Java."""
    env = environment()
    del env["GRPC_ENABLE_FORK_SUPPORT"]  # set by our own import
    command = [sys.executable, "-W", "ignore", "-c", FORKS]
    found = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert found.stdout == "1\n"
