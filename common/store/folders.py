"""The run's folder and a worker's own: where things are, who holds the lock, and cleaning up."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from common.errors import DataDirInUseError, UsageError
from common.model import Role
from common.store import files
from common.store.names import (
    CACHE,
    CHECKPOINTS,
    JOB_FOLDER,
    LOCK,
    MARKER,
    SET_ASIDE,
    checkpoint_name,
    is_checkpoint_name,
    is_file_name,
    is_folder_name,
    is_node_name,
    is_set_aside_name,
    is_temporary_name,
    node_name,
    set_aside_name,
)

_Prepare: TypeAlias = Callable[[int, Path, str], None]
_OPTION = "--data-dir"
_NODES = [f"{role}s" for role in Role]
_CLAIMS = {LOCK: "the lock of a run", MARKER: "the mark of a folder", CHECKPOINTS: "among the checkpoints"}
"""What is ours in the data directory besides the results and the workers' folders."""


class DataDir:
    """The run's folder, as the master sees it: `root` is what the user calls it, `real` where it is."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.real = Path(os.path.realpath(root))
        self.checkpoints = root / CHECKPOINTS

    def result(self, name: str) -> Path:
        """Return the path of a result of the run."""
        return self.root / name

    def checkpoint(self, iteration: int) -> Path:
        """Return the path of an iteration's checkpoint."""
        return self.checkpoints / checkpoint_name(iteration)

    def checkpoint_files(self) -> list[Path]:
        """Return the existing checkpoints, the newest first."""
        found: list[str] = []
        with suppress(OSError), files.open_folder(self.real / CHECKPOINTS) as folder:
            found = files.file_names(folder, is_checkpoint_name)
        return sorted(map(self.checkpoints.joinpath, found), key=lambda path: -path.lstat().st_mtime_ns)

    def write_checkpoint(self, iteration: int, content: bytes) -> None:
        """Write an iteration's checkpoint."""
        with files.open_folder(self.real) as root:
            files.make_folder(CHECKPOINTS, root)
            with files.open_folder(CHECKPOINTS, root) as folder:
                take_folder(folder, self.checkpoints, _OPTION)
                with files.replacing(checkpoint_name(iteration), folder, durable=True) as file:
                    file.write(content)

    def keep_checkpoints(self, kept: Sequence[Path]) -> None:
        """Remove all other checkpoints and temporary files; nobody may be writing a checkpoint."""
        names = {path.name for path in kept}
        with suppress(OSError), files.open_folder(self.real) as root:
            for _, folder in files.marked_folders(root, CHECKPOINTS.__eq__):
                files.remove_files(folder, lambda name: is_file_name(name) and name not in names)
                files.unmark_if_empty(folder)
            os.rmdir(CHECKPOINTS, dir_fd=root)

    def nodes(self, role: Role) -> Path:
        """Return the folder of all workers of a role."""
        return self.root / f"{role}s"

    def node(self, role: Role, index: int) -> Path:
        """Return a worker's folder."""
        return self.real / f"{role}s" / node_name(role, index)

    def check(self, results: Sequence[str]) -> None:
        """Raise UsageError if what is not ours stands where the run writes or removes files."""
        if _is_in_marked(self.real / LOCK):
            raise UsageError(f"{_OPTION} {self.root} is in a worker's folder; choose another")
        try:
            self._check(results)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise UsageError(f"{_OPTION} {self.root}: {error.strerror}") from None

    def _check(self, results: Sequence[str]) -> None:
        with files.open_folder(self.real) as root:
            _check_kinds(root, self.root, _OPTION, {LOCK, *results}.__contains__, _NODES.__contains__)
            if (
                self.checkpoints.is_symlink() or self.checkpoints.is_dir()
            ):  # a file only costs the checkpoints
                _check_folders(root, self.root, CHECKPOINTS.__eq__)
            for name in files.folder_names(root, _NODES.__contains__):
                with files.open_folder(name, root) as nodes:
                    _check_folders(nodes, self.root / name, is_node_name)
                    _check_folders(nodes, self.root / name, is_set_aside_name)

    def claim(self, path: Path) -> str:
        """Say what of ours a resolved path leads to; empty if nothing."""
        if path in (self.real, *self.real.parents):
            return "where the data directory is"
        top = path.relative_to(self.real).parts[0] if path.is_relative_to(self.real) else ""
        is_in_node = top in _NODES or (top not in _CLAIMS and _is_in_marked(path))
        return "in a worker's folder" if is_in_node else _CLAIMS.get(top, "")

    def set_aside_outputs(self) -> None:
        """Move what the previous run's workers have left into folders beside theirs."""
        self.discard_set_aside()  # of a run that was killed
        for nodes in self._nodes():
            for name, node in files.marked_folders(nodes, is_node_name):
                clean_after_run(node)
                files.make_folder(set_aside_name(name), nodes)
                with files.open_folder(set_aside_name(name), nodes) as aside:
                    files.mark(aside)
                    _move(node, aside)

    def restore_outputs(self) -> None:
        """Move all of it back, in place of what is there now."""
        for nodes in self._nodes():
            for name, _ in files.marked_folders(nodes, is_node_name):
                files.remove_folder(name, nodes)
            for name, aside in files.marked_folders(nodes, is_set_aside_name):
                files.make_folder(original := name[1:].removesuffix(SET_ASIDE), nodes)
                with files.open_folder(original, nodes) as node:
                    files.mark(node)
                    _move(aside, node)
        self.discard_set_aside()

    def discard_set_aside(self) -> None:
        """Remove it: the new run's files count."""
        for nodes in self._nodes():
            for name, _ in files.marked_folders(nodes, is_set_aside_name):
                files.remove_folder(name, nodes)

    def _nodes(self) -> Iterator[int]:
        """Yield the folders of the workers' folders."""
        with files.open_folder(self.real) as root:
            for name in files.folder_names(root, _NODES.__contains__):
                with files.open_folder(name, root) as nodes:
                    yield nodes

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone; at the end remove what only the run needed.

        Raises
        ------
        DataDirInUseError
            Another process holds it; the text has its process id.
        UsageError
            The folder can't be made or written to.
        """
        with _locked(self.root, _OPTION) as root:
            try:
                yield
            finally:
                with suppress(OSError):
                    self._clean(root)

    def _clean(self, root: int) -> None:
        self.discard_set_aside()  # of a run that was killed as it began
        for nodes in self._nodes():
            for name, node in files.marked_folders(nodes, is_node_name):
                clean_after_run(node)
                files.unmark_if_empty(node)
                with suppress(OSError):  # not empty
                    os.rmdir(name, dir_fd=nodes)
        for name in _NODES:
            with suppress(OSError):  # missing, or not empty
                os.rmdir(name, dir_fd=root)


@contextmanager
def locked_worker_folder(folder: Path) -> Iterator[None]:
    """Hold the folder of a worker that joined from elsewhere for this process alone.

    It is cleaned at the beginning, too: the cache of a killed process is of another run's splits.

    Raises
    ------
    DataDirInUseError, UsageError
        As `DataDir.locked`; or it holds files, but has not our mark.
    """
    with _locked(folder, "--folder", _take_worker_folder) as opened:
        clean_after_run(opened)
        try:
            yield
        finally:
            clean_after_run(opened)
            files.unmark_if_empty(opened)


def _take_worker_folder(folder: int, path: Path, option: str) -> None:
    take_folder(folder, path, option)
    _check_ours(folder, path, option)


def clean_after_run(node: int) -> None:
    """Remove a worker's cache, temporary files and the folders of jobs outside the iterations."""
    for folder in files.walk(node):
        files.remove_files(folder, is_temporary_name)
    for name in files.folder_names(node, lambda name: name == CACHE or name.startswith(JOB_FOLDER)):
        files.remove_folder(name, node)


def take_folder(folder: int, path: Path, option: str) -> None:
    """Mark a folder as ours; UsageError if it holds something and is not."""
    _check_marked(folder, path, option)
    files.mark(folder)


def _check_marked(folder: int, path: Path, option: str) -> None:
    if not files.is_marked(folder) and os.listdir(folder):
        raise UsageError(
            f"{path} was not made by this program: it holds files, but no {MARKER}; "
            f"move it, or choose another {option}"
        )


def _move(source: int, target: int) -> None:
    """Move our files from one folder to another."""
    ours = files.file_names(source, is_file_name) + files.folder_names(source, is_folder_name)
    for name in ours:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)


def _is_in_marked(path: Path) -> bool:
    return any(os.path.isfile(parent / MARKER) for parent in path.parents)  # noqa: PTH113


def _check_folders(parent: int, path: Path, wanted: files.Wanted) -> None:
    """Raise UsageError if a wanted folder is not ours, or not even a folder."""
    _check_kinds(parent, path, _OPTION, lambda _: False, wanted)
    for name in files.folder_names(parent, wanted):
        with files.open_folder(name, parent) as folder:
            _check_marked(folder, path / name, _OPTION)
            _check_ours(folder, path / name, _OPTION)


def _check_ours(folder: int, path: Path, option: str) -> None:
    """Raise UsageError if a folder holds something that is in the way of our files, or is moved with them."""
    _check_kinds(folder, path, option, lambda name: name == LOCK or is_file_name(name), is_folder_name)
    for name in files.folder_names(folder, is_folder_name):
        with files.open_folder(name, folder) as inner:
            for other in os.listdir(inner):  # noqa: PTH208
                if not is_file_name(other) and not is_folder_name(other):
                    raise UsageError(f"{path / name / other} is in a folder of this program; move it away")
            _check_ours(inner, path / name, option)


def _check_kinds(
    folder: int, path: Path, option: str, is_file: files.Wanted, is_folder: files.Wanted
) -> None:
    """Raise UsageError if something that has a name of ours is of another kind."""
    with os.scandir(folder) as entries:
        for entry in entries:
            kind = "a file" if is_file(entry.name) else "a folder" if is_folder(entry.name) else None
            if kind not in (None, found := _kind_of(entry)):
                raise UsageError(
                    f"{path / entry.name} is {found}, not {kind} of this program; "
                    f"move it, or choose another {option}"
                )


def _kind_of(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "a symbolic link"
    return "a folder" if entry.is_dir() else "a file" if entry.is_file() else "a pipe or a device"


@contextmanager
def _locked(path: Path, option: str, prepare: _Prepare | None = None) -> Iterator[int]:
    """Make, prepare and lock a folder, and hold it open; at the end remove what was made and is empty."""
    real = Path(os.path.realpath(path))  # a link that the user names is followed once
    with ExitStack() as stack:
        try:
            made = [folder for folder in (real, *real.parents) if not folder.exists()]
            real.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(files.open_folder(real))
            if prepare is not None:
                prepare(folder, path, option)
            lock = _open_lock(folder, path, option)
        except OSError as error:
            raise UsageError(f"{option} {path}: {error.strerror}") from None
        try:
            yield folder
        finally:
            with suppress(FileNotFoundError):
                os.unlink(LOCK, dir_fd=folder)
            os.close(lock)
            for each in made:
                with suppress(OSError):  # not empty: it holds results
                    each.rmdir()


def _open_lock(folder: int, path: Path, option: str) -> int:
    """Open and lock a file; another process may remove it meanwhile, then try again."""
    while True:
        lock = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644, dir_fd=folder)
        is_free = files.lock_file(lock)
        owner = re.fullmatch(rb"([0-9]{0,20})\n?", os.read(lock, 30))
        if is_free and owner and files.is_named(LOCK, folder, lock):
            os.truncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
            return lock
        os.close(lock)
        if owner is None:
            raise UsageError(f"{path / LOCK} is not a lock of this program; choose another {option}")
        if not is_free:
            raise DataDirInUseError(
                f"{path} is in use by process {owner[1].decode()}; wait for it, or choose another {option}"
            )
