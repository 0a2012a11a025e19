"""The run's folder and a worker's own: where things are, who holds the lock, and cleaning up."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from common.errors import DataDirInUseError, UsageError
from common.model import Role
from common.store.files import remove
from common.store.names import (
    CACHE,
    JOB_FOLDER,
    LOCK,
    SET_ASIDE,
    TEMPORARY,
    checkpoint_name,
    is_checkpoint_name,
    is_node_name,
    node_name,
)


class DataDir:
    """The run's folder, as the master sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoints = root / "checkpoints"

    def result(self, name: str) -> Path:
        """Return the path of a result of the run."""
        return self.root / name

    def checkpoint(self, iteration: int) -> Path:
        """Return the path of an iteration's checkpoint."""
        return self.checkpoints / checkpoint_name(iteration)

    def checkpoint_files(self) -> list[Path]:
        """Return the existing checkpoints, the newest first."""
        files = [path for path in self.checkpoints.glob("*") if is_checkpoint_name(path.name)]
        return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def keep_checkpoints(self, kept: Sequence[Path]) -> None:
        """Remove all other checkpoints and temporary files; nobody may be writing a checkpoint."""
        names = {path.name for path in kept}
        with suppress(OSError):
            for path in list(self.checkpoints.iterdir()):
                ours = is_checkpoint_name(path.name) or path.name.endswith(TEMPORARY)
                if ours and path.name not in names:
                    path.unlink()
            if not kept:
                self.checkpoints.rmdir()

    def nodes(self, role: Role) -> Path:
        """Return the folder of all workers of a role."""
        return self.root / f"{role}s"

    def node(self, role: Role, index: int) -> Path:
        """Return a worker's folder."""
        return self.nodes(role).resolve() / node_name(role, index)

    def node_folders(self) -> list[Path]:
        """Return the workers' folders that exist."""
        folders = [path for role in Role for path in self.nodes(role).glob("*")]
        return [path for path in folders if is_node_name(path.name) and path.is_dir()]

    def holds(self, path: Path) -> bool:
        """Tell whether a file lies in a worker's folder."""
        real = Path(os.path.realpath(path))
        return any(Path(os.path.realpath(node)) in real.parents for node in self.node_folders())

    def remove_nodes(self) -> None:
        """Remove the workers' folders of an earlier run."""
        for node in self.node_folders():
            remove(node)
        for role in Role:
            with suppress(OSError):  # missing, or it holds files that are not ours
                self.nodes(role).rmdir()

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
        with _locked(self.root, "--data-dir"):
            try:
                yield
            finally:
                for role in Role:
                    for folder in self.nodes(role).glob(f".*{SET_ASIDE}"):  # of a run killed as it began
                        remove(folder)
                for node in self.node_folders():
                    clean_after_run(node)


@contextmanager
def locked_worker_folder(folder: Path) -> Iterator[None]:
    """Hold the folder of a worker that joined from elsewhere for this process alone.

    It is cleaned at the beginning, too: the cache of a killed process is of another run's splits.

    Raises
    ------
    DataDirInUseError, UsageError
        As `DataDir.locked`.
    """
    with _locked(folder, "--folder"):
        clean_after_run(folder)
        try:
            yield
        finally:
            clean_after_run(folder)


def clean_after_run(node: Path) -> None:
    """Remove a worker's cache, temporary files and the folders of jobs outside the iterations."""
    remove(node / CACHE)
    for path in [*node.rglob(f".*{TEMPORARY}"), *node.glob(f"{JOB_FOLDER}*")]:
        remove(path)


@contextmanager
def _locked(folder: Path, option: str) -> Iterator[None]:
    """Make and lock a folder; at the end remove the folders made for it that are empty."""
    try:
        root = folder.resolve()
        made = [path for path in (root, *root.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        lock = _open_lock(folder / LOCK, option)
    except OSError as error:
        raise UsageError(f"{option} {folder}: {error.strerror}") from None
    try:
        yield
    finally:
        (folder / LOCK).unlink(missing_ok=True)
        lock.close()
        for path in made:
            with suppress(OSError):  # not empty: it holds results
                path.rmdir()


def _open_lock(path: Path, option: str) -> BinaryIO:
    """Open and lock a file; another process may remove it meanwhile, then try again."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read(20).decode().strip()
            file.close()
            raise DataDirInUseError(
                f"{path.parent} is in use by process {owner}; wait for it, or choose another {option}"
            ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
                return file
        file.close()
