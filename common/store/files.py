"""Files that appear whole or not at all, and how files are removed."""

import glob
import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from common.store.names import TEMPORARY

_NUMBERS = itertools.count(1)


@contextmanager
def write_whole(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file that gets its name, and replaces another one, only when the block ends without an error.

    `durable` also waits until it is on the disk: for results, not for what can be computed again.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # a pipe or a device is written to, not replaced
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_NUMBERS)}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that `write_whole` left for this path when its process was killed."""
    path = Path(os.path.realpath(path))
    for temporary in path.parent.glob(f".{glob.escape(path.name)}.*{TEMPORARY}"):
        remove(temporary)
