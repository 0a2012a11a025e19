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

from common.errors import MapReduceError, UsageError, printable, refusals_in_one_line
from common.model import Role
from common.rpc.address import SOCKET, WILDCARDS, socket_beside, split_address
from common.rpc.credentials import HOW_TO_MAKE, Certificates
from common.store.files import resolve
from common.store.folders import locked_worker_folder
from common.worker.lifeline import Lifeline, new_token
from common.worker.member import Member, RemoteLog, Settings
from common.worker.service import AddServicer

_BY_A_SIGNAL = 128
"""The exit code of a program that a signal ended is that signal's number higher."""
_HELP = "Start one {}. It joins a master, on this host or another, and works until the run ends."
_SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}
_PATH: dict[str, Any] = {"type": click.Path(path_type=Path), "metavar": "FOLDER"}
_ADDRESS = "the address that leads to the master"
_ROOT = "the working directory; with a socket, any"


@dataclass(frozen=True)
class _Options:
    """What the command line gives."""

    join: str | None
    certs: Path | None
    data_root: Path | None
    folder: Path
    listen: str | None
    advertise: str | None


def worker_command(role: Role, add_servicer: AddServicer, lifeline: Lifeline | None) -> click.Command:
    """Make the command line of a worker process; `lifeline` if its master started it."""

    @click.command(name=role, help=_HELP.format(role), context_settings=_SETTINGS)
    @click.option(
        "--join", metavar="ADDRESS", help="Where the master listens, as it says: HOST:PORT or unix:PATH."
    )
    @click.option("--certs", **_PATH, help="Certificates, made by: python -m master certs")
    @click.option(
        "--data-root", **_PATH, show_default=_ROOT, help="Folder of the input here; nothing outside is read."
    )
    @click.option("--folder", **_PATH, default=f"data/{role}s/joined", help="Folder for its files.")
    @click.option(
        "--listen", metavar="ADDRESS[:PORT]", show_default=_ADDRESS, help="Where to serve other workers."
    )
    @click.option("--advertise", metavar="HOST:PORT", help="Address to tell others, if not --listen.")
    @click.option("--from-master", is_flag=True, hidden=True, expose_value=False)
    @click.option("--sockets", hidden=True, expose_value=False, help="See `Lifeline`.")
    @click.option("--debug", is_flag=True, help="Print the traceback of an error.")
    def command(debug: bool, **options: Any) -> None:
        try:
            with refusals_in_one_line():
                _work(_settings(role, _Options(**options), lifeline), add_servicer, lifeline)
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


def _settings(role: Role, given: _Options, lifeline: Lifeline | None) -> Settings:
    """Return how the worker runs: with certificates, or at a socket beside its master's."""
    master, token = (_join(given), new_token()) if lifeline is None else lifeline.introduction()
    certificates, data_root = None, given.data_root
    if given.certs is None:
        listen = address = socket_beside(master, f"{role}-{os.getpid()}")
    else:
        certificates = Certificates.load(given.certs, role)
        listen, address = _addresses(master, given)
        data_root = (data_root or Path()).resolve()
    return Settings(
        role=role,
        master=master,
        certificates=certificates,
        listen=listen,
        address=address,
        folder=resolve(given.folder),
        data_root=data_root,
        token=token,
        own=lifeline is not None,
    )


def _join(given: _Options) -> str:
    """Return the address of the master that a person names; UsageError if options contradict it."""
    if given.join is None:
        raise UsageError("--join ADDRESS is required: where the master listens, as it says when it starts")
    if given.data_root is not None and not given.data_root.is_dir():
        raise UsageError(f"--data-root {given.data_root}: there is no such folder")
    if given.join.startswith(SOCKET):
        if {given.certs, given.listen, given.advertise} != {None}:
            raise UsageError("--certs, --listen and --advertise are for --join HOST:PORT, not for a socket")
        if not Path(given.join.removeprefix(SOCKET)).is_socket():
            raise UsageError(f"--join {given.join}: there is no such socket; the run may be over")
    elif not split_address(given.join, "--join")[1]:
        raise UsageError(f"--join {given.join} has no port; write it as in 10.0.0.1:7000")
    elif given.certs is None:
        raise UsageError(
            f"--join {given.join} needs --certs FOLDER, with this worker's certificate; {HOW_TO_MAKE}"
        )
    return given.join


def _addresses(master: str, given: _Options) -> tuple[str, str]:
    """Return where to serve, and what to tell the others."""
    reachable = _address_towards(*split_address(master, "--join"))
    own, own_port = split_address(given.listen, "--listen") if given.listen else (reachable, 0)
    advertised = given.advertise or (reachable if own in WILDCARDS else own)
    address, address_port = split_address(advertised, "--advertise")
    return f"{own}:{own_port}", f"{address}:{address_port}"


def _address_towards(host: str, port: int) -> str:
    """Return the address of this host on its way to the master, which the other workers will use too."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.connect(address)  # sends nothing
            own: str = probe.getsockname()[0]
    except OSError as error:
        raise UsageError(f"--join {host}:{port}: {error.strerror}") from None
    return f"[{own}]" if ":" in own else own


def _work(settings: Settings, add_servicer: AddServicer, lifeline: Lifeline | None) -> None:
    """Join, and serve until the run is over."""
    with ExitStack() as stack:
        if not settings.own:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                    signal.signal(number, _interrupt)
            stack.enter_context(locked_worker_folder(settings.folder))
        member = Member(settings)
        if not member.join():
            member.stop()
            return
        log = RemoteLog(member.name, settings.token, member.master)

        def last_words() -> None:
            log.flush()
            member.tell_usage()

        if lifeline is not None:
            lifeline.at_end.callback(last_words)
        try:
            member.serve(add_servicer, log, last_words)
            member.send_heartbeats()
        except KeyboardInterrupt:
            member.leave()
            raise
        finally:
            member.stop()
        log.flush()
