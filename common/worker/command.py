"""The command line of a mapper and of a reducer."""

import os
import signal
import socket
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import click

from common.errors import MapReduceError, UsageError, printable
from common.model import Role
from common.rpc.address import LOOPBACK, WILDCARDS, split_address
from common.rpc.credentials import Credentials
from common.store.files import resolve
from common.store.folders import locked_worker_folder
from common.store.names import node_name
from common.worker.lifeline import Lifeline
from common.worker.member import Member, Settings
from common.worker.remote_log import RemoteLog
from common.worker.service import AddServicer

_BY_A_SIGNAL = 128
"""The exit code of a program that a signal ended is that signal's number higher."""
_HELP = "Start one {}. It joins a master, on this host or another, and works until the run ends."
_SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
_PATH: dict[str, Any] = {"type": click.Path(path_type=Path), "metavar": "FOLDER"}
_ADDRESS = "the address that leads to the master"


@dataclass(frozen=True)
class _Options:
    """What the command line gives; `index` is 0 if a person started the worker."""

    join: str | None
    certs: Path | None
    data_root: Path
    folder: Path
    listen: str | None
    advertise: str | None
    index: int
    incarnation: int


def worker_command(role: Role, add_servicer: AddServicer, lifeline: Lifeline | None) -> click.Command:
    """Make the command line of a worker process; `lifeline` if its master started it."""

    @click.command(name=role, help=_HELP.format(role), context_settings=_SETTINGS)
    @click.option("--join", metavar="HOST:PORT", help="Where the master listens.")
    @click.option("--certs", **_PATH, help="Certificates and secret, made by: python -m scripts.certs")
    @click.option(
        "--data-root", **_PATH, default=".", help="Folder of the input here; nothing outside is read."
    )
    @click.option("--folder", **_PATH, default=f"data/{role}s/joined", help="Folder for its files.")
    @click.option(
        "--listen", metavar="ADDRESS[:PORT]", show_default=_ADDRESS, help="Where to serve other workers."
    )
    @click.option("--advertise", metavar="HOST:PORT", help="Address to tell others, if not --listen.")
    @click.option("--index", default=0, hidden=True)
    @click.option("--incarnation", default=0, hidden=True)
    @click.option("--debug", is_flag=True, help="Print the traceback of an error.")
    def command(debug: bool, **options: Any) -> None:
        try:
            given = _Options(**options)
            settings = _from_master(role, given, lifeline) if lifeline else _by_hand(role, given)
            _work(settings, add_servicer, lifeline)
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


def _by_hand(role: Role, given: _Options) -> Settings:
    if given.join is None or given.certs is None:
        raise UsageError(
            "--join HOST:PORT and --certs FOLDER are required: "
            "the master's address, and this worker's certificates"
        )
    host, port = split_address(given.join, "--join")
    if not port:
        raise UsageError(f"--join {given.join} has no port; write it as in 10.0.0.1:7000")
    credentials = Credentials.load(given.certs, role)
    reachable = _address_towards(host, port)
    own, own_port = split_address(given.listen, "--listen") if given.listen else (reachable, 0)
    if not given.data_root.is_dir():
        raise UsageError(f"--data-root {given.data_root}: there is no such folder")
    if given.advertise is not None:
        split_address(given.advertise, "--advertise")
    return Settings(
        role=role,
        master=given.join,
        credentials=credentials,
        listen=f"{own}:{own_port}",
        address=given.advertise or f"{reachable if own in WILDCARDS else own}:0",
        folder=resolve(given.folder),
        data_root=given.data_root.resolve(),
    )


def _from_master(role: Role, given: _Options, lifeline: Lifeline) -> Settings:
    master, secret = lifeline.introduction()
    listen = given.listen or f"{LOOPBACK}:0"
    return Settings(
        role=role,
        master=master,
        credentials=Credentials.load(given.certs, role) if given.certs else Credentials(secret),
        listen=listen,
        address=f"{split_address(listen, '--listen')[0]}:0",
        folder=given.folder,
        data_root=given.data_root if given.certs else None,
        index=given.index,
        incarnation=given.incarnation,
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
