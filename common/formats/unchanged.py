"""Whether a file is still the one that the master saw."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from common.errors import InputError
from common.model import Input
from common.records import checksum

CHANGED = "the file changed while the run was using it"
_PIECE_BYTES = 1 << 20


def content_digest(path: str | Path, stopped: Callable[[], bool] = lambda: False) -> str:
    """Tell a file's content from others, in hex; empty if `stopped` comes true between two pieces.

    It is the SHA-256 of the CRC-32s of its pieces of a MiB: against accidents, not against adversaries,
    and several times as fast as a SHA-256 of all.
    """
    digest = hashlib.sha256()
    piece = bytearray(_PIECE_BYTES)
    with Path(path).open("rb") as file:
        while size := file.readinto(piece):
            digest.update(checksum(memoryview(piece)[:size]).to_bytes(4))
            if stopped():
                return ""
    return digest.hexdigest()


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn an error of the system in reading a file into an InputError."""
    try:
        yield
    except OSError as error:
        raise InputError.at(str(path), f"cannot be read: {error.strerror or error}") from None


def check_unchanged(source: Input) -> None:
    """Raise InputError if this is not the file that the master saw, or can't be read.

    A copy of it will do if the master gives the digest.
    """
    with readable(source.path):
        status = os.stat(source.path)  # noqa: PTH116
        if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
            return
        if not source.digest:
            raise InputError.at(source.path, CHANGED)
        same_size = status.st_size == source.size_bytes
        if not same_size or _digest_of(source.path, status.st_mtime_ns) != source.digest:
            host = socket.gethostname()
            what = f"the file on {host} differs from the master's; copy the same file to every host"
            raise InputError.at(source.path, what)


@contextmanager
def refusing_changes(source: Input) -> Iterator[None]:
    """Raise InputError if the file has changed, changes meanwhile or can't be read."""
    check_unchanged(source)
    try:
        with readable(source.path):
            yield
    except Exception:
        check_unchanged(source)  # says more than whatever was found in such a file
        raise
    check_unchanged(source)


@lru_cache(maxsize=4)
def _digest_of(path: str, _mtime_ns: int) -> str:
    return content_digest(path)
