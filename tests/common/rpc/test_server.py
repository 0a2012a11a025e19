"""Where a server may listen."""

import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from common.errors import UsageError
from common.rpc.credentials import Credentials, PeerRole
from common.rpc.server import Server
from scripts.certs import make_folders


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "localhost:0", "example.org:0", "[::ffff:0.0.0.0]:0"]
)
def test_other_machines_need_certificates(listen: str) -> None:
    with pytest.raises(UsageError, match=r"needs --certs; make certificates with: python -m scripts\.certs"):
        Server(Credentials.fresh(), lambda *_: None, listen)


@pytest.mark.parametrize("listen", ["", "0", ":0", "127.0.0.1", "127.0.0.1:x", "unix:/tmp/x", "127.0.0.1:-1"])
def test_addresses_that_are_none(listen: str) -> None:
    with pytest.raises(UsageError, match=r"^--listen .*: write ADDRESS:PORT, as in 10\.0\.0\.1:7000$"):
        Server(Credentials.fresh(), lambda *_: None, listen)


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match=f"^cannot listen on {listen}: the port is in use"):
            Server(Credentials.fresh(), lambda *_: None, listen)


def test_with_certificates_other_machines_may_come(tmp_path: Path) -> None:
    make_folders(tmp_path / "certs", datetime.now(UTC) + timedelta(days=1))
    credentials = Credentials.load(tmp_path / "certs", PeerRole.MASTER)
    server = Server(credentials, lambda *_: None, "0.0.0.0:0")
    host, port = server.address.split(":")
    assert host == "0.0.0.0"
    assert int(port) > 0
