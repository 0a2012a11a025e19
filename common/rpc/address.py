"""Where a process of a run listens: HOST:PORT, as users write it, or a socket in a folder of this machine."""

import os
import re
import secrets
import stat
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path

from common.errors import RunFailedError, UsageError

WILDCARDS = ("0.0.0.0", "[::]")  # noqa: S104
"""To listen at one of these means to listen at every address of this host."""
SOCKET = "unix:"
"""An address that begins with it is a socket's path: who cannot enter its folder cannot connect."""
_USABLE = re.compile(r"[A-Za-z0-9/._-]{1,60}").fullmatch
"""A socket's path has at most 107 bytes, and gRPC reads it as part of a URI."""


def split_address(text: str, option: str) -> tuple[str, int]:
    """Split HOST:PORT, or HOST with port 0; an IPv6 host is in brackets; UsageError for other text."""
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, "0"
    bracketed = host.startswith("[") and host.endswith("]")
    is_host = _is_name(host) and (":" not in host or bracketed)
    if not is_host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"{option} {text}: write HOST:PORT, as in 10.0.0.1:7000 or [::1]:7000")
    return host, int(port)


def _is_name(host: str) -> bool:
    """Tell whether a resolver can be asked for a name: no part of it is empty, too long or mere bytes."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def new_master_socket(stack: ExitStack) -> str:
    """Return a socket's address in a new folder that only this user can enter; `stack` removes the folder.

    RunFailedError if it can't be made.
    """
    parent = tempfile.gettempdir()
    if not _USABLE(parent):
        parent = "/tmp"  # noqa: S108
    folder = f"{parent}/mapreduce-{secrets.token_hex(8)}"
    address = f"{SOCKET}{folder}/master"
    stack.callback(remove_socket_folder, address)  # first: Ctrl-C may come as soon as the folder is there
    try:
        os.mkdir(folder, 0o700)  # noqa: PTH102
    except OSError as error:
        raise RunFailedError(f"{parent}: no folder for sockets can be made: {error.strerror}") from None
    return address


def socket_beside(address: str, name: str) -> str:
    """Return the address of another socket in a socket's folder."""
    return f"{address.rpartition('/')[0]}/{name}"


def remove_socket_folder(address: str) -> None:
    """Remove the folder of a socket with all sockets in it, whose servers have ended, and nothing else."""
    folder = Path(address.removeprefix(SOCKET)).parent
    with suppress(OSError):
        for path in folder.iterdir():
            if stat.S_ISSOCK(path.lstat().st_mode):
                path.unlink()
        folder.rmdir()
