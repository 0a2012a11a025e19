"""The only module that names and writes what a run leaves on disk.

    DATA_DIR/.lock                          held by the master while it runs
    DATA_DIR/centroids.txt                  one centroid a line, in key order
    DATA_DIR/mappers/M1/map_output.txt      key,value...   one line a record, in input order
    DATA_DIR/mappers/M1/partition_1.txt     the records with key % R == 0, sorted by key
    DATA_DIR/reducers/R1/output.txt         key,value...   one line a key

A node keeps the files of the newest iteration; with --keep-iterations, those of iteration 3 are in
a folder `iteration_3` of the node (`start_2/iteration_3` with restarts). Jobs outside the
iterations write to a folder `job_NAME`, gone when the next stage starts. A task that runs
away from home, because its own node failed, writes to a folder `task_2` of its host.

A file appears whole or not at all: it is written under a temporary name, then renamed.
"""

import fcntl
import itertools
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from common.errors import DataDirInUseError, OutputLostError, StaleAttemptError, UsageError
from common.model import Attempt, CommittedFile, Role, Stage
from common.records import Buffer, checksum

MAP_OUTPUT = "map_output.txt"
REDUCE_OUTPUT = "output.txt"
_CENTROIDS = "centroids.txt"
_TEMPORARY = ".tmp"
_CACHE = ".cache"
_NODE = re.compile(r"[MR][1-9][0-9]*")
_NUMBERS = itertools.count(1)
_JOB = "job_"
_CHUNK_BYTES = 1 << 20
"""The fastest size of a chunk in a gRPC stream, and well below its default limit of 4 MiB."""


def node_name(role: Role, index: int) -> str:
    """Name a worker, its index counted from 1: M1, R2."""
    return f"{role[0].upper()}{index}"


def partition_name(partition: int) -> str:
    """Name the file of a partition, counted from 0."""
    return f"partition_{partition + 1}.txt"


@contextmanager
def write_whole(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Open a file that takes its name only when the block ends without an error.

    Parameters
    ----------
    path
        Its name; a file of that name is replaced.
    durable
        Also wait until it is on the disk: for results, not for what can be made again.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():  # a pipe or a device is written to, not replaced
        with path.open("wb") as file:
            yield file
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{next(_NUMBERS)}{_TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class DataDir:
    """The run's folder, as the master sees it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.centroids = root / _CENTROIDS

    def nodes(self, role: Role) -> Path:
        """Return the folder of all workers of a role."""
        return self.root / f"{role}s"

    def node(self, role: Role, index: int) -> Path:
        """Return a worker's folder."""
        return self.nodes(role).resolve() / node_name(role, index)

    def holds(self, path: Path) -> bool:
        """Tell whether a file lies in a worker's folder."""
        real = Path(os.path.realpath(path))
        return any(Path(os.path.realpath(node)) in real.parents for node in self._node_folders())

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
            file = _hold(lock)
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
        for node in self._node_folders():
            shutil.rmtree(node, ignore_errors=True)
        for role in Role:
            with suppress(OSError):  # not there, or not empty: it holds what is not ours
                self.nodes(role).rmdir()

    def _sweep(self) -> None:
        """Remove caches, temporary files and the folders of jobs outside the iterations."""
        for node in self._node_folders():
            _sweep_node(node)

    def _node_folders(self) -> list[Path]:
        folders = [path for role in Role for path in self.nodes(role).glob("*")]
        return [path for path in folders if _NODE.fullmatch(path.name) and path.is_dir()]


def _hold(lock: Path) -> BinaryIO:
    """Open and lock the file, so that it is still the one of that name when it is ours."""
    while True:
        file = os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = file.read(20).decode().strip()
            file.close()
            raise DataDirInUseError(
                f"{lock.parent} is in use by process {owner}; wait for it, or choose another --data-dir"
            ) from None
        with suppress(FileNotFoundError):
            if os.path.samestat(lock.stat(), os.fstat(file.fileno())):
                file.truncate(0)
                file.write(f"{os.getpid()}\n".encode())
                return file
        file.close()


def _sweep_node(node: Path) -> None:
    shutil.rmtree(node / _CACHE, ignore_errors=True)
    for temporary in node.rglob(f".*{_TEMPORARY}"):
        temporary.unlink(missing_ok=True)
    for folder in node.glob(f"{_JOB}*"):
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class AttemptFiles:
    """The files that one attempt has written so far, under temporary names."""

    folder: Path
    tag: str
    names: list[str] = field(default_factory=list)

    def write(self, name: str, data: Buffer, records: int) -> CommittedFile:
        """Write a file that appears when the attempt is committed."""
        self.temporary(name).write_bytes(data)
        self.names.append(name)
        return CommittedFile(len(data), records, checksum(data))

    def temporary(self, name: str) -> Path:
        """Return what the file is called until then."""
        return self.folder / f".{name}.{self.tag}{_TEMPORARY}"


class NodeStore:
    """A worker's own folder; all methods may be called by several threads.

    Only the newest attempt's files are kept and served; a late attempt is refused.
    """

    def __init__(self, folder: Path, index: int) -> None:
        self._folder = folder
        self._home_task = index - 1
        self._stage = Stage(0, "")
        self._newest: dict[int, int] = {}
        self._committed: dict[int, tuple[int, Path]] = {}
        self._lock = threading.Lock()
        self._tags = itertools.count(1)
        (folder / _CACHE).mkdir(parents=True, exist_ok=True)
        for temporary in folder.rglob(f".*{_TEMPORARY}"):
            temporary.unlink(missing_ok=True)

    @contextmanager
    def attempt(self, attempt: Attempt, *, keep_iterations: bool) -> Iterator[AttemptFiles]:
        """Write an attempt's files; they take their names together when the block ends well.

        Raises
        ------
        StaleAttemptError
            A newer attempt or stage has begun here, before or during the block.
        """
        with self._lock:
            self._begin(attempt, keep_iterations)
            folder = self._task_folder(attempt, keep_iterations)
        folder.mkdir(parents=True, exist_ok=True)
        files = AttemptFiles(folder, f"{attempt.stage.sequence}-{attempt.number}-{next(self._tags)}")
        try:
            yield files
            with self._lock:
                self._refuse_stale(attempt)
                for name in files.names:
                    files.temporary(name).replace(folder / name)
                self._committed[attempt.task] = (attempt.number, folder)
        except OSError:
            with self._lock:
                self._refuse_stale(attempt)  # a newer stage has removed the folder
            raise
        finally:
            for name in files.names:
                files.temporary(name).unlink(missing_ok=True)

    def read(self, attempt: Attempt, name: str, offset: int = 0) -> Iterator[bytes]:
        """Read a committed file in chunks.

        Raises
        ------
        OutputLostError
            It is not this attempt's, or no longer there.
        """
        with self._lock:
            number, folder = self._committed.get(attempt.task, (0, self._folder))
            if attempt.stage.sequence != self._stage.sequence or number != attempt.number:
                raise OutputLostError(
                    f"{name} of task {attempt.task + 1}, attempt {attempt.number} is not here"
                )
            try:
                file = (folder / name).open("rb")
            except OSError as error:
                raise OutputLostError(f"{name}: {error.strerror}") from error
        with file:
            file.seek(offset)
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk

    def cached(self, split: int, what: str) -> Path:
        """Name a file that keeps something made of a split for later stages and incarnations."""
        return self._folder / _CACHE / f"split_{split + 1}_{what}"

    def _begin(self, attempt: Attempt, keep_iterations: bool) -> None:
        if attempt.stage.sequence > self._stage.sequence:
            self._stage = attempt.stage
            self._newest.clear()
            self._committed.clear()
            self._remove_earlier(attempt.stage, keep_iterations)
        self._refuse_stale(attempt)
        self._newest[attempt.task] = attempt.number

    def _refuse_stale(self, attempt: Attempt) -> None:
        newest = self._newest.get(attempt.task, 0)
        if attempt.stage.sequence < self._stage.sequence or attempt.number < newest:
            raise StaleAttemptError(f"task {attempt.task + 1}, attempt {attempt.number} is no longer wanted")

    def _remove_earlier(self, stage: Stage, keep_iterations: bool) -> None:
        """Remove what earlier stages left, but not the last iteration's files while no new one begins."""
        for path in self._folder.iterdir():
            of_iteration = path.is_file() or path.name.startswith("task_")
            if path.name.startswith(_JOB) or (of_iteration and stage.step and not keep_iterations):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _task_folder(self, attempt: Attempt, keep_iterations: bool) -> Path:
        folder, step = self._folder, attempt.stage.step
        if step is None:
            folder /= f"{_JOB}{attempt.stage.job}"
        elif keep_iterations:
            folder = folder / f"start_{step.start}" if step.start else folder
            folder /= f"iteration_{step.iteration}"
        return folder if attempt.task == self._home_task else folder / f"task_{attempt.task + 1}"
