"""The command line of a mapper and of a reducer."""

import os
import signal
import socket
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import click

from common.errors import MapReduceError, UsageError, printable
from common.model import Role
from common.rpc.address import LOOPBACK, WILDCARDS, split_address
from common.rpc.credentials import Credentials
from common.store.folders import locked_worker_folder
from common.store.names import node_name
from common.worker.lifeline import Lifeline
from common.worker.member import Member, Settings
from common.worker.remote_log import RemoteLog
from common.worker.service import AddServicer

_BY_A_SIGNAL = 128
"""The exit code of a program that a signal ended is that signal's number higher."""
_FOLDER: dict[str, Any] = {"type": click.Path(path_type=Path), "metavar": "FOLDER"}
_CERTS = "Certificates and secret of a {}, made by: python -m scripts.certs"
_LISTEN = "Where to serve the other workers.  [default: the address that leads to the master, any port]"
_DATA_ROOT = "Where the input is on this host; nothing outside is read.  [default: .]"
_OWN_FOLDER = "Its own folder, for what it writes.  [default: data/{}s/joined]"


def worker_command(role: Role, add_servicer: AddServicer, lifeline: Lifeline | None) -> click.Command:
    """Make the command line of a worker process; `lifeline` if its master started it."""

    @click.command(
        name=role, help=f"One {role}: joins a master, on this host or another, and works until it is done."
    )
    @click.option("--join", metavar="HOST:PORT", help="Where the master listens.")
    @click.option("--certs", **_FOLDER, help=_CERTS.format(role))
    @click.option("--data-root", **_FOLDER, default=".", help=_DATA_ROOT)
    @click.option("--folder", **_FOLDER, default=f"data/{role}s/joined", help=_OWN_FOLDER.format(role))
    @click.option("--listen", metavar="ADDRESS[:PORT]", help=_LISTEN)
    @click.option("--advertise", metavar="HOST:PORT", help="What to tell the others, if that is different.")
    @click.option("--index", type=click.IntRange(1), hidden=True)
    @click.option("--incarnation", default=0, hidden=True)
    @click.option("--debug", is_flag=True, help="On an error, print the whole traceback.")
    def command(debug: bool, **options: Any) -> None:
        try:
            started = partial(_started_by_master, lifeline) if lifeline else _started_by_hand
            _work(started(role, **options), add_servicer, lifeline)
        except MapReduceError as error:
            if debug:
                raise
            click.echo(f"Error: {printable(str(error))}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt as interrupt:
            # At once: threads may be in the middle of work that nobody waits for any more.
            os._exit(_BY_A_SIGNAL + (interrupt.args or (signal.SIGINT,))[0])

    return command


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _started_by_hand(
    role: Role,
    join: str | None,
    certs: Path | None,
    data_root: Path,
    folder: Path,
    listen: str | None,
    advertise: str | None,
    **_: object,
) -> Settings:
    if join is None or certs is None:
        raise UsageError("--join and --certs are needed: where the master is, and what proves who we are")
    host, port = split_address(join, "--join")
    if not port:
        raise UsageError(f"--join {join}: the port is missing, as in 10.0.0.1:7000")
    credentials = Credentials.load(certs, role)
    reachable = _address_towards(host, port)
    own, own_port = split_address(listen, "--listen") if listen else (reachable, 0)
    if not data_root.is_dir():
        raise UsageError(f"--data-root {data_root}: there is no such folder")
    if advertise is not None:
        split_address(advertise, "--advertise")
    return Settings(
        role=role,
        master=join,
        credentials=credentials,
        listen=f"{own}:{own_port}",
        address=advertise or f"{reachable if own in WILDCARDS else own}:0",
        folder=folder.absolute(),
        data_root=data_root.resolve(),
    )


def _started_by_master(
    lifeline: Lifeline,
    role: Role,
    index: int,
    incarnation: int,
    folder: Path,
    listen: str | None,
    certs: Path | None,
    data_root: Path,
    **_: object,
) -> Settings:
    master, secret = lifeline.introduction()
    listen = listen or f"{LOOPBACK}:0"
    host, _port = split_address(listen, "--listen")
    return Settings(
        role=role,
        master=master,
        credentials=Credentials(secret) if certs is None else Credentials.load(certs, role),
        listen=listen,
        address=f"{host}:0",
        folder=folder,
        data_root=None if certs is None else data_root,
        index=index,
        incarnation=incarnation,
    )


def _address_towards(host: str, port: int) -> str:
    """Return the address of this host on its way to the master, which the other workers will use too."""
    try:
        (family, kind, protocol, _, address), *_rest = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # sends nothing
            own: str = probe.getsockname()[0]
    except OSError as error:
        raise UsageError(f"--join {host}:{port}: {error.strerror}") from None
    return f"[{own}]" if ":" in own else own


def _work(settings: Settings, add_servicer: AddServicer, lifeline: Lifeline | None) -> None:
    """Join, and serve until the run is over."""
    with ExitStack() as stack:
        if settings.from_elsewhere:
            signal.signal(signal.SIGTERM, _interrupt)
            stack.enter_context(locked_worker_folder(settings.folder))
        member = Member(settings)
        member.join()
        log = RemoteLog(node_name(settings.role, member.identity.index), member.master)
        if lifeline is not None:
            lifeline.at_end = log.flush
        try:
            member.serve(add_servicer, log)
            member.send_heartbeats()
        except KeyboardInterrupt:
            member.leave()
            raise
        finally:
            member.stop()
        log.flush()
