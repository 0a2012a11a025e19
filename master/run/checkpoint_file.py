"""A checkpoint's file: where a run stands after an iteration, so that `--resume` can go on from there.

It is a text file of JSON lines. The first holds the SHA-256 of all that follows, the second what the run is
about, and then there is one line for each part of the algorithm's progress, which are arrays by name:

    {"sha256": "5f0c..."}
    {"format": 4, "iteration": 3, "parameters": {"--k": "2", ...}, "input": {"path": ..., "digest": ...}}
    {"n_iter": 3, "shift": 0.25, "centroids": {"type": "<f8", "shape": [2, 2], "base64": "AAAAAAAA4D+amZ..."}}

JSON keeps every float64, but Python needs longer to write many of them than a short iteration takes, and no
other thread runs meanwhile. So only single numbers are written as such. dump.txt has the centroids as text.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from common.errors import MapReduceError, UsageError, printable, shortened
from common.formats.unchanged import content_digest
from common.model import Input
from common.store.folders import DataDir
from master.algorithms.base import Progress

CheckProgress: TypeAlias = Callable[[int, Sequence[Progress]], None]
"""Raises ValueError if this can't be the progress of an algorithm after that iteration."""

_FORMAT = 4
_TYPES = {"<f8", "<i8"}
_LARGEST = (1 << 63) - 1
_LONGEST = 200
"""Of a reason: a file may hold anything."""
_Kind = TypeVar("_Kind")


class _UnusableError(MapReduceError):
    """The file is no checkpoint that we can read; the text says why."""


@dataclass(frozen=True)
class InputIdentity:
    """What tells one input from another; `digest` is empty until all of it has been read."""

    path: str
    size_bytes: int
    mtime_ns: int
    digest: str = ""


@dataclass(frozen=True)
class Subject:
    """What a run is about: the input, and the options that decide the result, as text."""

    source: InputIdentity
    parameters: dict[str, str]

    @classmethod
    def of(cls, source: Input, parameters: dict[str, str]) -> Self:
        """Take it from an opened input and an algorithm's parameters."""
        identity = InputIdentity(source.path, source.size_bytes, source.mtime_ns)
        marks = ("delimiter", "quote", "decimal", "comment")
        read = {f"--{name}": getattr(source.dialect, name) for name in marks} | {
            "--missing": "drop" if source.dialect.drops_missing else "error",
            "--columns": ",".join(str(column + 1) for column in source.columns),
            "--dtype": str(source.dtype),
            "the number of rows": str(source.rows),
        }
        return cls(identity, read | parameters)


@dataclass(frozen=True)
class SavedCheckpoint:
    """One that was read. `skipped` has the newer files that cannot be used, and why."""

    path: Path
    iteration: int
    subject: Subject
    parts: tuple[Progress, ...]
    skipped: dict[Path, str] = field(default_factory=dict)


def encode_checkpoint(iteration: int, subject: Subject, parts: Sequence[Progress]) -> bytes:
    """Write a checkpoint as the bytes of its file."""
    head = {
        "format": _FORMAT,
        "iteration": iteration,
        "parameters": subject.parameters,
        "input": asdict(subject.source),
    }
    lines = [head, *({name: _pack(array) for name, array in part.items()} for part in parts)]
    body = "".join([f"{json.dumps(line)}\n" for line in lines]).encode()
    return b'{"sha256": "%s"}\n%s' % (hashlib.sha256(body).hexdigest().encode(), body)


def read_checkpoint(path: Path) -> SavedCheckpoint:
    """Read a checkpoint's file; _UnusableError if it is incomplete or damaged, or we have not written it."""
    try:
        first, _, body = path.read_bytes().partition(b"\n")
    except OSError as error:
        raise _UnusableError(error.strerror or str(error)) from None
    if first != b'{"sha256": "%s"}' % hashlib.sha256(body).hexdigest().encode():
        raise _UnusableError("incomplete or damaged: the checksum does not match")
    with _refusing_others():
        head, *parts = map(json.loads, body.splitlines())
        if type(head["format"]) is not int or head["format"] != _FORMAT:
            raise _UnusableError(
                f"written by another version (format {head['format']!s:.20}, expected {_FORMAT})"
            )
        source = InputIdentity(**head["input"])
        _check_types(source)
        parameters = {_typed(name, str): _typed(value, str) for name, value in head["parameters"].items()}
        iteration = _count(head["iteration"])
        return SavedCheckpoint(path, iteration, Subject(source, parameters), tuple(map(_unpack, parts)))


@contextmanager
def _refusing_others() -> Iterator[None]:
    """Raise _UnusableError if what was read is not as this program writes it."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise _UnusableError(f"not written by this program: {printable(repr(error))[:_LONGEST]}") from None


def _check_types(source: InputIdentity) -> None:
    _typed(source.path, str)
    _count(source.size_bytes)
    _count(source.mtime_ns)
    if not re.fullmatch("([0-9a-f]{64})?", _typed(source.digest, str)):
        raise ValueError("the input's checksum is none")


def _typed(value: Any, kind: type[_Kind]) -> _Kind:
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _count(value: Any) -> int:
    number: int = _typed(value, int)
    if not 0 <= number <= _LARGEST:
        raise ValueError(f"{number} is not a count")
    return number


def _pack(array: npt.NDArray[Any]) -> object:
    if array.ndim == 0:
        return array.item()
    kind = array.dtype.newbyteorder("<")
    content = base64.b64encode(array.astype(kind).tobytes()).decode()
    return {"type": kind.str, "shape": array.shape, "base64": content}


def _unpack(part: Any) -> Progress:
    return {name: _unpack_array(value) for name, value in _typed(part, dict).items()}


def _unpack_array(value: Any) -> npt.NDArray[Any]:
    """Make an array of a number, or of the numbers that `_pack` has written."""
    if type(value) in (int, float):
        return np.array(value, np.int64 if type(value) is int else np.float64)
    if _typed(value, dict)["type"] not in _TYPES:
        raise ValueError(f"unknown type {value['type']!r}")
    numbers = np.frombuffer(base64.b64decode(value["base64"], validate=True), value["type"])
    shape = tuple(map(_count, value["shape"]))
    return numbers.reshape(shape).astype(numbers.dtype.newbyteorder("="))


def find_checkpoint(
    data_dir: DataDir, subject: Subject, iterations: int, check: CheckProgress
) -> SavedCheckpoint:
    """Find the newest usable checkpoint and check that it is this run's, by `check` its progress, too.

    Raises
    ------
    UsageError
        There is none, or it is of another input or of other options.
    """
    skipped: dict[Path, str] = {}
    for path in data_dir.checkpoint_files():
        try:
            checkpoint = read_checkpoint(path)
            digest = _check_input(checkpoint, subject.source)  # a changed one may have other rows, too
            _check_parameters(checkpoint, subject, iterations)
            with _refusing_others():
                check(checkpoint.iteration, checkpoint.parts)
        except _UnusableError as error:
            skipped[path] = str(error)
            continue
        known = replace(subject, source=replace(subject.source, digest=digest))
        return replace(checkpoint, subject=known, skipped=skipped)
    if skipped:
        reasons = "; ".join(f"{path.name}: {reason}" for path, reason in skipped.items())
        raise UsageError(f"--resume: no checkpoint in {data_dir.checkpoints} can be used ({reasons})")
    raise UsageError(
        f"--resume: no checkpoint in {data_dir.checkpoints}: the last run ended well, or before its first "
        "checkpoint, or there was none. Run the command without --resume"
    )


def _check_parameters(checkpoint: SavedCheckpoint, subject: Subject, iterations: int) -> None:
    was, now = checkpoint.subject.parameters, subject.parameters
    for option in now | was:  # another algorithm has other options
        before, value = was.get(option, ""), now.get(option, "")
        if before != value:
            raise UsageError(
                f"--resume: {option} is {shortened(value) or 'not given'}, "
                f"but the checkpoint {checkpoint.path} has {shortened(before) or 'none'}"
            )
    if checkpoint.iteration > iterations:
        raise UsageError(
            f"--resume: --iters is {iterations}, but the checkpoint {checkpoint.path} is of a later iteration"
        )


def _check_input(checkpoint: SavedCheckpoint, now: InputIdentity) -> str:
    """Return the input's digest, "" if the checkpoint has none; UsageError if the input has changed."""
    was = checkpoint.subject.source
    if replace(was, digest="") == now:
        return was.digest
    changed = f"--resume: {now.path} is not the input of {checkpoint.path}"
    if now.size_bytes != was.size_bytes:
        raise UsageError(f"{changed}: it has {now.size_bytes} bytes, and that had {was.size_bytes}")
    if not was.digest:
        raise UsageError(
            f"--resume: {now.path} was modified after checkpoint {checkpoint.path} was written, "
            "which has no checksum to compare with"
        )
    try:
        same = content_digest(now.path) == was.digest
    except OSError as error:
        raise UsageError(f"--resume: {now.path}: {error.strerror}") from None
    if not same:
        raise UsageError(f"{changed}: its content has changed")
    return was.digest
