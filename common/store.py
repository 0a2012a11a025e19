"""The only module that names and writes what a run leaves on disk.

    DATA_DIR/.lock                          held by the master while it runs
    DATA_DIR/centroids.txt                  one centroid a line, in key order
    DATA_DIR/checkpoints/iteration_3.jsonl  where the run stood then; gone when it is finished
    DATA_DIR/mappers/M1/map_output.txt      key,value...   one line a record, in input order
    DATA_DIR/mappers/M1/partition_1.txt     the records with key % R == 0, sorted by key
    DATA_DIR/reducers/R1/output.txt         key,value...   one line a key

    DATA_DIR/mappers/M1/manifest.txt        size, records and checksum of each file of the attempt

With --intermediate arrow, map output, partitions and reduce output end in .arrow instead.

A node keeps the files of the newest iteration; with --keep-iterations, those of iteration 3 are in
a folder `iteration_3` of the node. Jobs outside the
iterations write to a folder `job_NAME`, gone when the next stage starts. A task that runs
away from home, because its own node failed, writes to a folder `task_2` of its host.

A file appears whole or not at all: it is written under a temporary name, then renamed. The files of an
attempt appear together: the manifest, renamed last, makes them count, and what it doesn't list is garbage.
"""

import fcntl
import glob
import itertools
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from common.errors import DataDirInUseError, OutputLostError, StaleAttemptError, UsageError
from common.model import Attempt, CommittedFile, LongArray, RecordFormat, Role, Stage
from common.records import checksum
from common.records.base import Buffer, Encoder

MAP_OUTPUT = "map_output"
REDUCE_OUTPUT = "output"
_MANIFEST = "manifest.txt"
_SUFFIXES = {RecordFormat.TEXT: ".txt", RecordFormat.ARROW: ".arrow"}
_CENTROIDS = "centroids.txt"
_ASIDE = ".earlier"
_CHECKPOINT = re.compile(r"iteration_(0|[1-9][0-9]*)\.jsonl")
_TEMPORARY = ".tmp"
_CACHE = ".cache"
_NODE = re.compile(r"[MR][1-9][0-9]*")
_NUMBERS = itertools.count(1)
_JOB = "job_"
_CHUNK_BYTES = 1 << 18
"""The size of a chunk in a gRPC stream that takes the least time: copies of it stay in the cache."""


def node_name(role: Role, index: int) -> str:
    """Name a worker, its index counted from 1: M1, R2."""
    return f"{role[0].upper()}{index}"


def partition_name(partition: int) -> str:
    """Name a partition, counted from 0."""
    return f"partition_{partition + 1}"


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


def remove_leftovers(path: Path) -> None:
    """Remove what `write_whole` left of a file when its process was killed."""
    path = Path(os.path.realpath(path))
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
        left.unlink(missing_ok=True)


def set_aside_name(path: Path) -> Path:
    """Return the name that a file or folder of an earlier run has while a new run begins."""
    return path.with_name(f".{path.name}{_ASIDE}")


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
                ours = _CHECKPOINT.fullmatch(entry.name) or entry.name.endswith(_TEMPORARY)
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
            for left in self.nodes(role).glob(f".*{_ASIDE}"):  # a run was killed as it began
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
    shutil.rmtree(node / _CACHE, ignore_errors=True)
    for temporary in node.rglob(f".*{_TEMPORARY}"):
        temporary.unlink(missing_ok=True)
    for folder in node.glob(f"{_JOB}*"):
        shutil.rmtree(folder, ignore_errors=True)


class _VouchedFile:
    """Passes bytes on to a file and keeps their number and checksum."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0
        self.crc32 = 0

    def write(self, data: Buffer, /) -> None:
        self.size_bytes += self._file.write(data)
        self.crc32 = checksum(data, self.crc32)


@dataclass(frozen=True, slots=True)
class _StoredFile:
    """A file of an attempt: where it is and what it was when it was written."""

    path: str
    content: CommittedFile


class AttemptFiles:
    """The files that one attempt has written so far, under temporary names."""

    def __init__(self, folder: Path, attempt: Attempt, tag: int, kind: RecordFormat) -> None:
        # Plain strings: a small iteration would spend much of its time on Path objects.
        self._folder = str(folder)
        self._attempt = attempt
        self._end = f".{attempt.stage.sequence}-{attempt.number}-{tag}{_TEMPORARY}"
        self._suffix = _SUFFIXES[kind]
        self._written: dict[str, _StoredFile] = {}

    def write(self, name: str, records: Encoder, positions: LongArray | None = None) -> CommittedFile:
        """Write the records at some positions (None: all) to a file that appears at the commit."""
        path = f"{self._folder}/.{name}{self._suffix}{self._end}"
        self._written[name] = _StoredFile(path, CommittedFile(0, 0, 0))
        with open(path, "wb") as file:  # noqa: PTH123
            vouched = _VouchedFile(file)
            records.write(vouched, positions)
        count = len(records) if positions is None else len(positions)
        content = CommittedFile(vouched.size_bytes, count, vouched.crc32)
        self._written[name] = _StoredFile(path, content)
        return content

    def commit(self) -> dict[str, _StoredFile]:
        """Give the files their names, and the manifest its own last; return where each one is."""
        manifest = f"{self._folder}/{_MANIFEST}"
        with suppress(FileNotFoundError):
            os.unlink(manifest)  # noqa: PTH108
        committed = {}
        for name in list(self._written):
            file = self._written[name]
            committed[name] = _StoredFile(f"{self._folder}/{name}{self._suffix}", file.content)
            os.replace(file.path, committed[name].path)  # noqa: PTH105
            del self._written[name]
        temporary = f"{self._folder}/.{_MANIFEST}{self._end}"
        with open(temporary, "wb") as out:  # noqa: PTH123
            out.write(_manifest(self._attempt, committed, self._suffix))
        os.replace(temporary, manifest)  # noqa: PTH105
        return committed

    def remove(self) -> None:
        """Remove those that were not committed."""
        for file in self._written.values():
            Path(file.path).unlink(missing_ok=True)


def _manifest(attempt: Attempt, files: Mapping[str, _StoredFile], suffix: str) -> bytes:
    """Write which attempt it was, and a line for each file, which begins with its name."""
    stage = attempt.stage
    of_iteration = "" if stage.iteration is None else f" iteration={stage.iteration}"
    lines = [f"attempt={attempt.number} task={attempt.task + 1} job={stage.job}{of_iteration}\n"]
    for name, file in files.items():
        size, records, crc32 = file.content.size_bytes, file.content.records, file.content.crc32
        lines.append(f"{name}{suffix} size_bytes={size} records={records} crc32={crc32:08x}\n")
    return "".join(lines).encode()


def _remove_garbage(node: Path) -> None:
    """Remove what no manifest lists: a process was killed before its attempt was complete."""
    for folder in (node, *(path for path in node.rglob("*") if path.is_dir() and path.name != _CACHE)):
        listed = {_MANIFEST}
        with suppress(FileNotFoundError):
            lines = (folder / _MANIFEST).read_text("utf-8", "replace").splitlines()
            listed |= {line.split(" ")[0] for line in lines[1:]}
        for path in folder.iterdir():
            if path.is_file() and folder.name != _CACHE and path.name not in listed:
                path.unlink(missing_ok=True)


def _verify(file: BinaryIO, stored: _StoredFile) -> None:
    """Raise OutputLostError if a file is not what was written."""
    size_bytes, crc32 = 0, 0
    while chunk := file.read(_CHUNK_BYTES):
        size_bytes += len(chunk)
        crc32 = checksum(chunk, crc32)
    if (size_bytes, crc32) != (stored.content.size_bytes, stored.content.crc32):
        raise OutputLostError(f"{Path(stored.path).name} is damaged on the disk")


class NodeStore:
    """A worker's own folder; all methods may be called by several threads.

    Only the newest attempt's files are kept and served; a late attempt is refused, and so is one of
    another epoch.
    """

    def __init__(self, folder: Path, index: int, epoch: int = 0) -> None:
        self._folder = folder
        self._home_task = index - 1
        self._epoch = epoch
        self._stage = Stage(0, "")
        self._newest: dict[int, int] = {}
        self._committed: dict[int, tuple[int, dict[str, _StoredFile]]] = {}
        self._lock = threading.Lock()
        self._tags = itertools.count(1)
        (folder / _CACHE).mkdir(parents=True, exist_ok=True)
        for temporary in (folder / _CACHE).glob(f".*{_TEMPORARY}"):
            temporary.unlink(missing_ok=True)
        _remove_garbage(folder)

    @contextmanager
    def attempt(
        self, attempt: Attempt, kind: RecordFormat, *, keep_iterations: bool
    ) -> Iterator[AttemptFiles]:
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
        files = AttemptFiles(folder, attempt, next(self._tags), kind)
        try:
            yield files
            with self._lock:
                self._refuse_stale(attempt)
                self._committed[attempt.task] = (attempt.number, files.commit())
        except OSError:
            with self._lock:
                self._refuse_stale(attempt)  # a newer stage has removed the folder
            raise
        finally:
            files.remove()

    def read(self, attempt: Attempt, name: str, offset: int = 0, *, verify: bool = False) -> Iterator[bytes]:
        """Read a committed file in chunks.

        Parameters
        ----------
        attempt, name
            Which attempt's, and which of its files.
        offset
            Skip this many bytes.
        verify
            See first that it is what was written.

        Raises
        ------
        OutputLostError
            It is not this attempt's, or no longer there, or damaged.
        """
        with self._lock:
            number, files = self._committed.get(attempt.task, (0, {}))
            newest = (attempt.stage.epoch, attempt.stage.sequence) == (self._epoch, self._stage.sequence)
            if not newest or number != attempt.number or name not in files:
                raise OutputLostError(
                    f"{name} of task {attempt.task + 1}, attempt {attempt.number} is not here"
                )
            stored = files[name]
            try:
                file = open(stored.path, "rb", buffering=0)  # noqa: PTH123, SIM115
            except OSError as error:
                raise OutputLostError(f"{Path(stored.path).name}: {error.strerror}") from error
        try:
            with file:
                if verify:
                    _verify(file, stored)
                file.seek(offset)
                while chunk := file.read(_CHUNK_BYTES):
                    yield chunk
        except OSError as error:
            raise OutputLostError(f"{Path(stored.path).name}: {error.strerror}") from error

    def cached(self, split: int, what: str) -> Path:
        """Name a file that keeps something made of a split for later stages and incarnations."""
        return self._folder / _CACHE / f"split_{split + 1}_{what}"

    def _begin(self, attempt: Attempt, keep_iterations: bool) -> None:
        if attempt.stage.epoch != self._epoch:
            raise StaleAttemptError("the order is of another master's run")
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
        for entry in list(os.scandir(self._folder)):
            of_iteration = entry.is_file() or entry.name.startswith("task_")
            if entry.name.startswith(_JOB) or (of_iteration and stage.iteration and not keep_iterations):
                shutil.rmtree(entry) if entry.is_dir() else os.unlink(entry)  # noqa: PTH108

    def _task_folder(self, attempt: Attempt, keep_iterations: bool) -> Path:
        folder, iteration = self._folder, attempt.stage.iteration
        if iteration is None:
            folder /= f"{_JOB}{attempt.stage.job}"
        elif keep_iterations:
            folder /= f"iteration_{iteration}"
        return folder if attempt.task == self._home_task else folder / f"task_{attempt.task + 1}"
