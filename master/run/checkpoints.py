"""Checkpoints: where a run stands after each iteration, on disk, so that `--resume` can go on from there.

A checkpoint is a text file of JSON lines. The first holds the SHA-256 of all that follows, the second
what the run is about, and then there is one line for each start:

    {"sha256": "5f0c..."}
    {"format": 2, "iteration": 3, "parameters": {"--k": "2", ...}, "input": {"path": ..., "digest": ...}}
    {"n_iter": 3, "shift": 0.25, "shape": [2, 2], "centroids": "AAAAAAAA4D+amZmZmZkdQDMzMzMzMyNAAAAAAAAA8D8="}

JSON keeps every float64, but to write many takes Python longer than a short iteration, during which no other
thread runs. So centroids are base64 of their float64 numbers, little-endian; dump.txt has them for people.
"""

import base64
import hashlib
import json
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from common.errors import MapReduceError, UsageError
from common.events.event import Log
from common.formats.dataset import content_digest
from common.model import Input
from common.store.files import write_whole
from common.store.folders import DataDir
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.progress import Progress

_FORMAT = 2
_KEPT = 2
_CLOSE_TIMEOUT_S = 10.0
_PAUSE_S = 0.1
"""Between two checkpoints: what is lost with a run must be little, but a short iteration costs less."""


class _UnusableError(MapReduceError):
    """The file is no checkpoint that we can read; the text says why."""


@dataclass(frozen=True)
class InputIdentity:
    """What tells one input from another; `digest` is empty until all of it has been read."""

    path: str
    size_bytes: int
    mtime_ns: int
    digest: str = ""

    @classmethod
    def of(cls, source: Input) -> Self:
        """Take it from an opened input."""
        return cls(source.path, source.size_bytes, source.mtime_ns)


@dataclass(frozen=True)
class Subject:
    """What a run is about: the input, and the options that decide the result, as text."""

    source: InputIdentity
    parameters: dict[str, str]

    @classmethod
    def of(cls, source: Input, config: KMeansConfig) -> Self:
        """Take it from an opened input and a configuration."""
        given = "" if config.initial is None else hashlib.sha256(config.initial.tobytes()).hexdigest()[:16]
        parameters = {
            "--k": str(config.k),
            "--tol": repr(config.tol),
            "--init": config.init,
            "--init-centroids": given and f"of SHA-256 {given}...",
            "--n-init": str(config.n_init),
            "--on-empty": config.on_empty,
            "--seed": str(config.seed),
            "--columns": ",".join(str(column + 1) for column in source.columns),
            "--dtype": str(source.dtype),
        }
        return cls(InputIdentity.of(source), parameters)


@dataclass(frozen=True)
class Checkpoint:
    """One that was read: where, what about, and where each start stood."""

    path: Path
    iteration: int
    subject: Subject
    starts: tuple[Progress, ...]


def encode_checkpoint(iteration: int, subject: Subject, starts: Sequence[Progress]) -> bytes:
    """Write a checkpoint as the bytes of its file."""
    head = {
        "format": _FORMAT,
        "iteration": iteration,
        "parameters": subject.parameters,
        "input": asdict(subject.source),
    }
    lines = [head]
    for start in starts:
        shift = start.shift if math.isfinite(start.shift) else None
        numbers = base64.b64encode(start.centroids.astype("<f8").tobytes()).decode()
        where = {"shape": start.centroids.shape, "centroids": numbers}
        lines.append({"n_iter": start.n_iter, "shift": shift, **where})
    body = "".join([f"{json.dumps(line)}\n" for line in lines]).encode()
    return b'{"sha256": "%s"}\n%s' % (hashlib.sha256(body).hexdigest().encode(), body)


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint's file; _UnusableError if it is torn or damaged."""
    try:
        first, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise _UnusableError(error.strerror or str(error)) from None
    if first != b'{"sha256": "%s"}' % hashlib.sha256(body).hexdigest().encode():
        raise _UnusableError("it is torn or damaged: its checksum is wrong")
    try:
        head, *starts = map(json.loads, body.splitlines())
        if head["format"] != _FORMAT:
            raise _UnusableError(f"another version wrote it: its format is {head['format']}, not {_FORMAT}")
        subject = Subject(InputIdentity(**head["input"]), head["parameters"])
        return Checkpoint(path, head["iteration"], subject, tuple(map(_progress, starts)))
    except (ValueError, TypeError, KeyError) as error:
        raise _UnusableError(f"it was not written by this program: {error!r}") from None


def _progress(fields: dict[str, Any]) -> Progress:
    shift = math.inf if fields["shift"] is None else fields["shift"]
    numbers = np.frombuffer(base64.b64decode(fields["centroids"], validate=True), "<f8")
    return Progress(numbers.reshape(fields["shape"]).astype(np.float64), fields["n_iter"], shift)


@dataclass(frozen=True)
class Found:
    """What `find_checkpoint` found: the checkpoint to go on from, and the newer ones that are no use."""

    checkpoint: Checkpoint
    unusable: dict[Path, str]


def find_checkpoint(data_dir: DataDir, subject: Subject, iterations: int) -> Found:
    """Find the newest usable checkpoint and see that it is this run's.

    Raises
    ------
    UsageError
        There is none, or it is of another input or of other options.
    """
    unusable: dict[Path, str] = {}
    for path in data_dir.checkpoint_files():
        try:
            checkpoint = read_checkpoint(path)
        except _UnusableError as error:
            unusable[path] = str(error)
            continue
        _check_parameters(checkpoint, subject, iterations)
        digest = _check_input(checkpoint, subject.source)
        known = replace(subject, source=replace(subject.source, digest=digest))
        return Found(replace(checkpoint, subject=known), unusable)
    if unusable:
        reasons = "; ".join(f"{path.name}: {reason}" for path, reason in unusable.items())
        raise UsageError(f"--resume: no checkpoint in {data_dir.checkpoints} can be used ({reasons})")
    way_on = f"; to go on from its result: --init-centroids {data_dir.centroids}"
    raise UsageError(
        f"--resume: there is no checkpoint in {data_dir.checkpoints}: no run began, or the last one finished"
        f"{way_on if data_dir.centroids.exists() else ''}"
    )


def _check_parameters(checkpoint: Checkpoint, subject: Subject, iterations: int) -> None:
    was = checkpoint.subject.parameters
    for option, value in subject.parameters.items():
        if was.get(option) != value:
            raise UsageError(
                f"--resume: {option} is {value or 'not given'}, but in {checkpoint.path} "
                f"it is {was.get(option) or 'not given'}"
            )
    if checkpoint.iteration > iterations:
        raise UsageError(f"--resume: --iters is {iterations}, but {checkpoint.path} is beyond that")


def _check_input(checkpoint: Checkpoint, now: InputIdentity) -> str:
    """Return the input's digest, as far as it is known; UsageError if it is another one than it was."""
    was = checkpoint.subject.source
    if replace(was, digest="") == now:
        return was.digest
    changed = f"--resume: {now.path} is not the input of {checkpoint.path}"
    if now.size_bytes != was.size_bytes:
        raise UsageError(f"{changed}: it has {now.size_bytes} bytes, and that had {was.size_bytes}")
    if not was.digest:
        raise UsageError(f"{changed}, as its time of change tells; that run ended before it had a checksum")
    try:
        same = content_digest(now.path) == was.digest
    except OSError as error:
        raise UsageError(f"--resume: {now.path}: {error.strerror}") from None
    if not same:
        raise UsageError(f"{changed}: its content has changed")
    return was.digest


class CheckpointWriter:
    """Writes a run's checkpoints in the background, so that no iteration waits for the disk.

    At most one is being written; of those that wait, only the newest counts. After the first, the
    input is read once for its checksum. The two newest are kept; those of an earlier run go when
    this one's first is there. A context manager.

    Parameters
    ----------
    data_dir
        Where they go.
    subject
        What the run is about.
    found
        Where the run goes on, if it does.
    log
        Gets a line for each.
    begun
        Called after each: from now on the run can be resumed.
    """

    def __init__(
        self,
        data_dir: DataDir,
        subject: Subject,
        found: Found | None,
        log: Log,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._data_dir = data_dir
        self._subject = subject if found is None else found.checkpoint.subject
        self._resumed = None if found is None else found.checkpoint
        self._log = log
        self._begun = begun
        self._kept = [] if found is None else [found.checkpoint.path]
        self._changed = threading.Condition()
        self._newest: list[Progress] | None = None
        self._waiting = False
        self._closing = False
        self._threads: list[threading.Thread] = []
        self._failing = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Finish the one that waits, if any, and write no more."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        for thread in self._threads[:1]:  # the other one ends by itself
            thread.join(_CLOSE_TIMEOUT_S)

    def resumed(self) -> Sequence[Progress] | None:
        """Return where each start stood in the run that is resumed; None if none is."""
        return None if self._resumed is None else self._resumed.starts

    def save(self, starts: Sequence[Progress]) -> None:
        """Have a checkpoint written, soon."""
        with self._changed:
            self._newest, self._waiting = list(starts), True
            self._changed.notify()
        if not self._threads:
            for work in (self._write_all, self._find_digest):
                self._threads.append(threading.Thread(target=work, name="checkpoints", daemon=True))
                self._threads[-1].start()

    def remove(self) -> None:
        """End the writing and remove the checkpoints: the run is finished."""
        self.__exit__()
        self._data_dir.keep_checkpoints([])

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                starts, subject, self._waiting = self._newest, self._subject, False
            assert starts is not None
            self._write(max(start.n_iter for start in starts), subject, starts)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _PAUSE_S)

    def _write(self, iteration: int, subject: Subject, starts: Sequence[Progress]) -> None:
        path = self._data_dir.checkpoint(iteration)
        try:
            path.parent.mkdir(exist_ok=True)
            with write_whole(path, durable=True) as file:
                file.write(encode_checkpoint(iteration, subject, starts))
        except OSError as error:
            if not self._failing:  # the run goes on: it is the result that counts
                self._log.event("checkpoint_failed", file=path, reason=error.strerror)
            self._failing = True
            return
        self._failing = False
        if path in self._kept:
            return
        self._kept = [*self._kept, path][-_KEPT:]
        self._data_dir.keep_checkpoints(self._kept)
        self._log.event("checkpoint", file=path)
        self._begun()

    def _find_digest(self) -> None:
        """Read the input for its checksum, and put that into the newest checkpoint."""
        source = self._subject.source
        if source.digest:
            return
        try:
            digest = content_digest(source.path, lambda: self._closing)
            status = Path(source.path).stat()
        except OSError:
            return  # the mappers will say so
        if not digest or (status.st_size, status.st_mtime_ns) != (source.size_bytes, source.mtime_ns):
            return
        with self._changed:
            self._subject = replace(self._subject, source=replace(source, digest=digest))
            self._waiting = not self._closing
            self._changed.notify()
