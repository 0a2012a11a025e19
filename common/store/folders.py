"""The run's folder, and that of a worker from elsewhere: what lies where, who holds it, and tidying."""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from common.errors import DataDirInUseError, UsageError
from common.model import Role
from common.store.files import remove_leftovers
from common.store.names import ASIDE, CACHE, JOB_FOLDER, TEMPORARY, node_name

_CENTROIDS = "centroids.txt"
_CHECKPOINT = re.compile(r"iteration_(0|[1-9][0-9]*)\.jsonl")
_NODE = re.compile(r"[MR][1-9][0-9]*")


class DataDir:
    """The run's folder, as the master sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.centroids = root / _CENTROIDS
        self.checkpoints = root / "checkpoints"

    def checkpoint(self, iteration: int) -> Path:
        """Name the checkpoint of an iteration."""
        return self.checkpoints / f"iteration_{iteration}.jsonl"

    def checkpoint_files(self) -> list[Path]:
        """Return the checkpoints there are, the newest first."""
        files = [path for path in self.checkpoints.glob("*") if _CHECKPOINT.fullmatch(path.name)]
        return sorted(files, key=lambda path: path.stat().st_mtime_ns, reverse=True)

    def keep_checkpoints(self, kept: Sequence[Path]) -> None:
        """Remove all other checkpoints, and what a killed process left of one; nobody writes one now."""
        names = {path.name for path in kept}
        with suppress(OSError):
            for entry in list(os.scandir(self.checkpoints)):
                ours = _CHECKPOINT.fullmatch(entry.name) or entry.name.endswith(TEMPORARY)
                if ours and entry.name not in names:
                    os.unlink(entry)  # noqa: PTH108
            if not kept:
                self.checkpoints.rmdir()

    def nodes(self, role: Role) -> Path:
        """Return the folder of all workers of a role."""
        return self.root / f"{role}s"

    def node(self, role: Role, index: int) -> Path:
        """Return a worker's folder."""
        return self.nodes(role).resolve() / node_name(role, index)

    def holds(self, path: Path) -> bool:
        """Tell whether a file lies in a worker's folder."""
        real = Path(os.path.realpath(path))
        return any(Path(os.path.realpath(node)) in real.parents for node in self.node_folders())

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process alone; on leaving, remove what only the run needed.

        Raises
        ------
        DataDirInUseError
            Another process holds it; the text has its process id.
        UsageError
            The folder can't be made or written to.
        """
        lock = self.root / ".lock"
        try:
            root = self.root.resolve()
            made = [folder for folder in (root, *root.parents) if not folder.exists()]
            self.root.mkdir(parents=True, exist_ok=True)
            file = _hold(lock, "--data-dir")
        except OSError as error:
            raise UsageError(f"--data-dir {self.root}: {error.strerror}") from None
        try:
            yield
        finally:
            self._sweep()
            lock.unlink(missing_ok=True)
            file.close()
            for folder in made:
                with suppress(OSError):  # not empty: it holds results
                    folder.rmdir()

    def remove_nodes(self) -> None:
        """Remove the workers' folders of an earlier run."""
        for node in self.node_folders():
            shutil.rmtree(node, ignore_errors=True)
        for role in Role:
            with suppress(OSError):  # not there, or not empty: it holds what is not ours
                self.nodes(role).rmdir()

    def _sweep(self) -> None:
        """Remove caches, temporary files and the folders of jobs outside the iterations."""
        remove_leftovers(self.centroids)
        for role in Role:
            for left in self.nodes(role).glob(f".*{ASIDE}"):  # a run was killed as it began
                shutil.rmtree(left, ignore_errors=True)
        for node in self.node_folders():
            _sweep_node(node)

    def node_folders(self) -> list[Path]:
        """Return the workers' folders that there are."""
        folders = [path for role in Role for path in self.nodes(role).glob("*")]
        return [path for path in folders if _NODE.fullmatch(path.name) and path.is_dir()]


@contextmanager
def held_folder(folder: Path) -> Iterator[None]:
    """Hold the folder of a worker that joined from elsewhere for this process alone; leave it tidy.

    Tidy at the beginning, too: what a killed process kept of the input is of other splits, in another run.

    Raises
    ------
    DataDirInUseError, UsageError
        As `DataDir.locked`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = _hold(folder / ".lock", "--folder")
    except OSError as error:
        raise UsageError(f"--folder {folder}: {error.strerror}") from None
    _sweep_node(folder)
    try:
        yield
    finally:
        _sweep_node(folder)
        (folder / ".lock").unlink(missing_ok=True)
        file.close()


def _hold(lock: Path, option: str) -> BinaryIO:
    """Open and lock the file, so that it is still the one of that name when it is ours."""
    while True:
        file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read(20).decode().strip()
            file.close()
            raise DataDirInUseError(
                f"{lock.parent} is in use by process {owner}; wait for it, or choose another {option}"
            ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(lock.stat(), os.fstat(file.fileno())):
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
                return file
        file.close()


def _sweep_node(node: Path) -> None:
    shutil.rmtree(node / CACHE, ignore_errors=True)
    for temporary in node.rglob(f".*{TEMPORARY}"):
        temporary.unlink(missing_ok=True)
    for folder in node.glob(f"{JOB_FOLDER}*"):
        shutil.rmtree(folder, ignore_errors=True)
