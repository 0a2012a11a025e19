"""How files are opened, replaced and removed: whole or not at all, and never through a link.

Names are looked up in a folder that is held open, so that nobody can put another one in its place meanwhile.
A folder of ours has our mark in it; only there files are removed, and only those that have names of ours.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias

from common.store.names import LOCK, MARKER, TEMPORARY, is_file_name, is_folder_name

Wanted: TypeAlias = Callable[[str], object]
"""Tells whether a name is wanted."""

_SPARE = 16
"""Descriptors for writing a result; calls to workers need some meanwhile."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_MARK = b"A folder of MapReduce: files in it that have names of its own are replaced and removed.\n"


def is_special(path: Path) -> bool:
    """Tell whether a path leads to a pipe or a device, which is written to, not replaced."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)  # noqa: PTH110, PTH112, PTH113


def is_standard_output(path: Path | None) -> bool:
    """Tell whether a name stands for what the shell gave us to write to: it is written to, never replaced."""
    return path is not None and str(path) in ("-", "/dev/stdout")


def resolve(path: Path) -> Path:
    """Follow the links of a path that the user gives; a pipe or a device keeps its name."""
    return path if is_special(path) else Path(os.path.realpath(path))


@contextmanager
def open_folder(name: str | Path, parent: int | None = None) -> Iterator[int]:
    """Hold a folder open, by its name in another one or by its path, whose last part must not be a link."""
    folder = os.open(name, _FOLDER, dir_fd=parent)
    try:
        yield folder
    finally:
        os.close(folder)


def make_folder(name: str, parent: int) -> None:
    """Make a folder that only its owner can write to, unless it is there; OSError if something else is."""
    try:
        os.mkdir(name, 0o755, dir_fd=parent)
    except FileExistsError:
        with open_folder(name, parent):
            pass


@contextmanager
def spare_descriptors() -> Iterator[None]:
    """Hold descriptors that nobody else gets meanwhile; after the block they are free for the result."""
    with ExitStack() as stack:
        for _ in range(_SPARE):
            stack.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        yield


@contextmanager
def write_whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file that can be computed again; see `replacing`."""
    with open_folder(os.path.realpath(path.parent)) as folder, replacing(path.name, folder) as file:
        yield file


@contextmanager
def write_result(path: Path) -> Iterator[BinaryIO]:
    """Open a file at a resolved path for what must not be lost; a pipe or a device is written to."""
    if is_standard_output(path):
        with os.fdopen(os.dup(1), "wb") as file:
            yield file
        return
    if is_special(path):
        with path.open("wb") as file:
            yield file
        return
    with open_folder(path.parent) as folder:
        remove_leftovers(path.name, folder)
        with replacing(path.name, folder, durable=True) as file:
            yield file


@contextmanager
def replacing(name: str, folder: int, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file that gets its name, and replaces another one, only when the block ends without an error.

    `durable` also waits until it is on the disk.
    """
    temporary, lock = create_temporary(name, folder)
    try:
        with os.fdopen(os.dup(lock), "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(lock)
        os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        if durable:
            os.fsync(folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
        raise
    finally:
        os.close(lock)


def temporary_name(name: str) -> str:
    """Return a name that no other run uses."""
    return f".{name}.{secrets.token_hex(8)}{TEMPORARY}"


def create_temporary(name: str, folder: int) -> tuple[str, int]:
    """Create a file that is locked as long as its writer lives; return its name and its descriptor."""
    while True:
        temporary = temporary_name(name)
        lock = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
        is_mine = True
        with suppress(OSError):  # a file system without locks: nothing is taken for a leftover there
            is_mine = lock_file(lock)
        if is_mine and is_named(temporary, folder, lock):
            return temporary, lock
        os.close(lock)  # another run took it for a leftover before it was locked


def remove_leftovers(name: str, folder: int) -> None:
    """Remove the temporary files for this name whose writers are dead: nobody holds their locks."""
    is_leftover = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}{re.escape(TEMPORARY)}").fullmatch
    for temporary in file_names(folder, is_leftover):
        with suppress(OSError), os.fdopen(os.open(temporary, os.O_NOFOLLOW, dir_fd=folder)) as file:
            if lock_file(file.fileno()):
                os.unlink(temporary, dir_fd=folder)


def lock_file(descriptor: int) -> bool:
    """Lock a file for this process, unless another has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_named(name: str, folder: int, descriptor: int) -> bool:
    """Tell whether an open file still has its name."""
    try:
        return os.path.samestat(os.lstat(name, dir_fd=folder), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def file_names(folder: int, wanted: Wanted) -> list[str]:
    """Return the names of a folder's wanted files; links are none."""
    with os.scandir(folder) as entries:
        return [
            entry.name for entry in entries if wanted(entry.name) and entry.is_file(follow_symlinks=False)
        ]


def folder_names(folder: int, wanted: Wanted) -> list[str]:
    """Return the names of the wanted folders in a folder; links are none."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if wanted(entry.name) and entry.is_dir(follow_symlinks=False)]


def remove_files(folder: int, wanted: Wanted) -> None:
    """Remove the wanted files of a folder."""
    for name in file_names(folder, wanted):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def walk(folder: int) -> Iterator[int]:
    """Yield the folders of ours in a folder, inner ones first, and itself; those left empty are removed."""
    for name in folder_names(folder, is_folder_name):
        with open_folder(name, folder) as inner:
            yield from walk(inner)
        with suppress(OSError):  # not empty
            os.rmdir(name, dir_fd=folder)
    yield folder


def remove_folder(name: str, parent: int) -> None:
    """Remove all of ours in a folder, its mark, and the folder unless it holds something else."""
    with open_folder(name, parent) as folder:
        for each in walk(folder):
            remove_files(each, is_file_name)
        unmark_if_empty(folder)
    with suppress(OSError):  # not empty
        os.rmdir(name, dir_fd=parent)


def marked_folders(parent: int, wanted: Wanted) -> Iterator[tuple[str, int]]:
    """Yield the wanted folders that have our mark: name and descriptor."""
    for name in folder_names(parent, wanted):
        with open_folder(name, parent) as folder:
            if is_marked(folder):
                yield name, folder


def is_marked(folder: int) -> bool:
    """Tell whether a folder is ours."""
    return bool(file_names(folder, MARKER.__eq__))


def mark(folder: int) -> None:
    """Make a folder ours."""
    with suppress(FileExistsError):
        marker = os.open(MARKER, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
        with os.fdopen(marker, "wb") as file:
            file.write(_MARK)


def unmark_if_empty(folder: int) -> None:
    """Give up a folder of ours that holds nothing any more."""
    if is_marked(folder) and set(os.listdir(folder)) <= {MARKER, LOCK}:
        os.unlink(MARKER, dir_fd=folder)
