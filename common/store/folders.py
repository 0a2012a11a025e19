"""The run's folder and a worker's own: where things are, who holds the lock, and cleaning up."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

from common.errors import DataDirInUseError, UsageError
from common.model import Role
from common.store import files
from common.store.checks import check_folders, check_kinds, check_ours, is_in_marked, take_folder
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

_OPTION = "--data-dir"
_LOCK_TEXT = re.compile(rb"MapReduce process ([0-9]{1,20})\n")
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

    def claim(self, path: Path) -> str:
        """Say what of ours a resolved path leads to; empty if nothing."""
        if path in (self.real, *self.real.parents):
            return "where the data directory is"
        top = path.relative_to(self.real).parts[0] if path.is_relative_to(self.real) else ""
        is_in_node = top in _NODES or (top not in _CLAIMS and is_in_marked(path))
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
    def locked(self, results: Sequence[str] = ()) -> Iterator[None]:
        """Hold the folder for this process alone; at the end remove what only the run needed.

        Raises
        ------
        DataDirInUseError
            Another process holds it; the text has its process id.
        UsageError
            The folder can't be made or written to, or something that is not ours stands where the run, with
            results of these names, writes or removes files.
        """
        with _locked(self.root, _OPTION, partial(self._check, results)) as root:
            try:
                yield
            finally:
                with suppress(OSError):
                    self._clean(root)

    def _check(self, results: Sequence[str], root: int) -> None:
        if is_in_marked(self.real / LOCK):
            raise UsageError(f"{_OPTION} {self.root} is in a worker's folder; choose another")
        check_kinds(root, {LOCK, *results}.__contains__, _NODES.__contains__, self.root, _OPTION)
        if self.checkpoints.is_symlink() or self.checkpoints.is_dir():
            check_folders(root, CHECKPOINTS.__eq__, self.root, _OPTION)
        for name in files.folder_names(root, _NODES.__contains__):
            with files.open_folder(name, root) as nodes:
                check_folders(nodes, is_node_name, self.root / name, _OPTION)
                check_folders(nodes, is_set_aside_name, self.root / name, _OPTION)

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
    option = "--folder"
    with _locked(folder, option, partial(check_ours, path=folder, option=option)) as opened:
        files.mark(opened)
        clean_after_run(opened)
        try:
            yield
        finally:
            clean_after_run(opened)
            files.unmark_if_empty(opened)


def clean_after_run(node: int) -> None:
    """Remove a worker's cache, temporary files and the folders of jobs outside the iterations."""
    for folder in files.walk(node):
        files.remove_files(folder, is_temporary_name)
    for name in files.folder_names(node, lambda name: name == CACHE or name.startswith(JOB_FOLDER)):
        files.remove_folder(name, node)


def _move(source: int, target: int) -> None:
    """Move our files from one folder to another."""
    ours = files.file_names(source, is_file_name) + files.folder_names(source, is_folder_name)
    for name in ours:
        os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)


@contextmanager
def _locked(path: Path, option: str, check: Callable[[int], None]) -> Iterator[int]:
    """Make, check and lock a folder, and hold it open; at the end remove what was made and is empty."""
    real = Path(os.path.realpath(path))  # a link that the user names is followed once
    with ExitStack() as stack:
        try:
            made = [folder for folder in (real, *real.parents) if not folder.exists()]
            stack.callback(_remove_empty, made)
            real.mkdir(parents=True, exist_ok=True)
            folder = stack.enter_context(files.open_folder(real))
            check(folder)
            stack.callback(os.close, _open_lock(folder, path, option))
        except OSError as error:
            raise UsageError(f"{option} {path}: {error.strerror}") from None
        stack.callback(_unlock, folder)
        yield folder


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # not empty: it holds results
            folder.rmdir()


def _unlock(folder: int) -> None:
    with suppress(FileNotFoundError):
        os.unlink(LOCK, dir_fd=folder)


def _open_lock(folder: int, path: Path, option: str) -> int:
    """Lock a folder by a file, which appears whole; that of a process which was killed is taken over."""
    while True:
        try:
            lock = os.open(LOCK, os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
        except FileNotFoundError:
            if (made := _new_lock(folder)) is not None:
                return made
            continue
        status, found = os.fstat(lock), _LOCK_TEXT.fullmatch(os.read(lock, 60))
        if found is None or status.st_nlink > 1 or status.st_uid != os.geteuid():
            os.close(lock)
            raise UsageError(f"{path / LOCK} is not a lock of this program; choose another {option}")
        is_free = files.lock_file(lock)
        if is_free and files.is_named(LOCK, folder, lock):
            _write_lock(lock)
            return lock
        os.close(lock)
        if not is_free:
            raise DataDirInUseError(
                f"{path} is in use by process {found[1].decode()}; wait for it, or choose another {option}"
            )


def _new_lock(folder: int) -> int | None:
    """Make a lock; None if another process was faster."""
    files.remove_leftovers(LOCK, folder)
    temporary, lock = files.create_temporary(LOCK, folder)
    try:
        _write_lock(lock)
        _give_name(temporary, folder)
    except OSError as error:
        os.close(lock)
        if isinstance(error, FileExistsError):
            return None
        raise
    finally:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=folder)
    return lock


def _give_name(temporary: str, folder: int) -> None:
    """Call a file the lock, unless there is one."""
    try:
        os.link(temporary, LOCK, src_dir_fd=folder, dst_dir_fd=folder)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        os.rename(temporary, LOCK, src_dir_fd=folder, dst_dir_fd=folder)


def _write_lock(lock: int) -> None:
    text = f"MapReduce process {os.getpid()}\n".encode()
    os.pwrite(lock, text, 0)
    os.truncate(lock, len(text))
