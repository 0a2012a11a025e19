"""Between our own types and the messages of `protos/mapreduce.proto`; nothing else knows both.

A type of ours and its message have fields of the same names, so one `pack` and one `unpack` do for all.
An invalid message, or one that exceeds a limit, raises BadRequestError before anything of the size that it
names is allocated. Jobs and their state are in `job_messages`.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from functools import cache
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from common.errors import BadRequestError, printable
from common.jobs import find_job
from common.model import (
    Attempt,
    CommittedFile,
    Dialect,
    FloatType,
    Input,
    InputFormat,
    MapOutput,
    RecordFormat,
    Role,
    Split,
    Stage,
    TaskOptions,
)
from protos import mapreduce_pb2 as pb

MOST_ROWS = 1 << 53
"""Row numbers beyond this are not exact in float64."""
MOST_BYTES = (1 << 63) - 1
MOST_TASKS = 1 << 20
MOST_PARTITIONS = 1 << 14
"""Each is a file, and an entry in every answer of a mapper."""

_T = TypeVar("_T")
_Wire = TypeVar("_Wire")
_Number = TypeVar("_Number", int, float)


def within(number: _Number, low: float, high: float, what: str) -> _Number:
    """Return the number if low <= number <= high; else, also for nan, raise BadRequestError."""
    if not low <= number <= high:
        raise BadRequestError(f"{what} is {number}, not from {low} to {high}")
    return number


class Table(Generic[_Wire, _T]):
    """Our word for each value that the wire has for something; errors call it `what`."""

    def __init__(self, what: str, words: Mapping[_Wire, _T]) -> None:
        self._what = what
        self._words = words
        self._values = {word: value for value, word in words.items()}

    def pack(self, word: _T) -> _Wire:
        """Return the wire's value for our word."""
        return self._values[word]

    def unpack(self, value: _Wire) -> _T:
        """Return our word for the wire's value; BadRequestError if there is none."""
        if value not in self._words:
            raise BadRequestError(f"unknown {self._what} {value!r}")
        return self._words[value]


_SAME_NAME = (Attempt, Dialect, Input, MapOutput, Split, Stage, TaskOptions)
_MESSAGES: Mapping[Any, type[Message]] = {
    CommittedFile: pb.File,
    **{kind: getattr(pb, kind.__name__) for kind in _SAME_NAME},
}


def _table(what: str, words: type[StrEnum], values: Any, prefix: str) -> Table[int, StrEnum]:
    return Table(what, {values.Value(prefix + word.name): word for word in words})


_WORDS: Mapping[Any, Table[int, StrEnum]] = {
    Role: _table("role", Role, pb.Role, "ROLE_"),
    InputFormat: _table("input format", InputFormat, pb.InputFormat, "INPUT_FORMAT_"),
    FloatType: _table("float type", FloatType, pb.ElementType, "ELEMENT_TYPE_"),
    RecordFormat: _table("record format", RecordFormat, pb.RecordFormat, "RECORD_FORMAT_"),
}

_BOUNDS: Mapping[Any, Mapping[str, tuple[float, float]]] = {
    CommittedFile: {"size_bytes": (0, MOST_BYTES), "records": (0, MOST_ROWS)},
    Input: {
        "fields": (1, 1 << 20),
        "rows": (1, MOST_ROWS),
        "size_bytes": (1, MOST_BYTES),
        "first_row": (0, MOST_ROWS),
    },
    MapOutput: {"task": (0, MOST_TASKS - 1), "attempt": (1, MOST_TASKS)},
    Split: {"index": (0, MOST_TASKS - 1), "row_stop": (0, MOST_ROWS), "line_start": (0, MOST_BYTES)},
    TaskOptions: {"delay_s": (0, 3600.0), "fail_rate": (0, 1), "threads": (0, 1 << 10)},
}
"""The least and the greatest value of each number; what else must hold is in `_CHECKS`."""
_PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    int | None: lambda number: number or None,  # 0 on the wire, as the iteration outside the iterations
    tuple[int, ...]: tuple,
    tuple[str, ...]: tuple,
}
_LINE = re.compile(r"([-0-9:.TZ]{27}) \S+ (event=.*)", re.DOTALL)
_TOKEN = re.compile(r"[0-9a-f]{64}")
_MOST_PATH_CHARACTERS = 1 << 12
_ADDRESS = re.compile(
    r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})|unix:/[^/\0][^\0]{0,105}"
)


def pack(value: Any) -> Any:
    """Return the message for a value of ours, or the enumeration's number for a word."""
    if type(value) in _WORDS:
        return _WORDS[type(value)].pack(value)
    if type(value) not in _MESSAGES:
        return value  # None leaves a field out
    return _MESSAGES[type(value)](**{name: pack(getattr(value, name)) for name in value.__slots__})


def unpack(kind: type[_T], message: Any) -> _T:
    """Return the value of that type for a message, or the word for an enumeration's number.

    BadRequestError if a word is unknown, a number is out of its bounds, or fields contradict each other.
    """
    value: _T = _unpacker(kind)(message)  # type: ignore[arg-type]  # a type is hashable
    return value


@cache
def _unpacker(kind: Any) -> Callable[[Any], Any]:
    """Return what unpacks values of a type; found once, for a message has up to fifteen fields."""
    if kind in _WORDS:
        return _WORDS[kind].unpack
    if kind not in _MESSAGES:
        return _PLAIN.get(kind, _as_it_is)
    kinds: dict[str, Any] = {field.name: field.type for field in fields(kind)}
    unpackers = [(name, _unpacker(its_kind)) for name, its_kind in kinds.items()]
    bounds = _BOUNDS.get(kind, {}).items()
    check: Callable[[Any], None] = _CHECKS.get(kind, _as_it_is)

    def unpacked(message: Any) -> Any:
        values = {
            name: getattr(message, name) if unpacker is _as_it_is else unpacker(getattr(message, name))
            for name, unpacker in unpackers
        }
        for name, (low, high) in bounds:
            within(values[name], low, high, name)
        value = kind(**values)
        check(value)
        return value

    return unpacked


def _as_it_is(value: Any) -> Any:
    return value


def unpack_lines(lines: Iterable[str], process: str) -> list[str]:
    """Return lines for dump.txt, each one line whatever it holds, and of the process that sent it."""
    return [_LINE.sub(rf"\1 {process} \2", printable(line)) for line in lines if _LINE.fullmatch(line)]


def unpack_token(text: str) -> str:
    """Return the text if it is a worker's token."""
    if not _TOKEN.fullmatch(text):
        raise BadRequestError("a token is 64 hexadecimal digits")
    return text


def unpack_address(text: str) -> str:
    """Return the text if it is HOST:PORT or unix:PATH; gRPC accepts much else as an address."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[1] or 1) < 1 << 16:
        raise BadRequestError("an address is neither HOST:PORT nor unix:PATH")
    return text


def _check_attempt(attempt: Attempt) -> None:
    stage = attempt.stage
    counted = stage.sequence >= 1 and (stage.iteration or 0) >= 0 and attempt.number >= 1
    if find_job(stage.job) is None or not counted or not 0 <= attempt.task < MOST_TASKS:
        raise BadRequestError("the attempt is not one that a master makes")


def _check_dialect(dialect: Dialect) -> None:
    marks = (dialect.delimiter, dialect.quote, dialect.comment)
    if not all(len(mark) <= 1 and mark.isascii() for mark in marks) or dialect.decimal not in (".", ","):
        raise BadRequestError("a delimiter, a quote and a comment's mark are one ASCII character")


def _check_input(source: Input) -> None:
    if not 0 < len(source.path) <= _MOST_PATH_CHARACTERS or "\0" in source.path:
        raise BadRequestError("the input's path is empty, too long or has a null character")
    within(len(source.columns), 1, source.fields, "the number of columns")
    for column in source.columns:
        within(column, 0, source.fields - 1, "a column")
    for text in source.texts:
        within(text, 0, len(source.columns) - 1, "a column of texts")
    if source.names and len(source.names) != len(source.columns):
        raise BadRequestError("the names are not those of the columns")


def _check_map_output(output: MapOutput) -> None:
    unpack_address(output.address)
    if not output.worker.isprintable():
        raise BadRequestError("a worker's name is not printable")


def _check_split(split: Split) -> None:
    if not 0 <= split.row_start <= split.row_stop or not 0 <= split.byte_start <= split.byte_stop:
        raise BadRequestError("the split ends before it starts")


_CHECKS: Mapping[Any, Callable[[Any], None]] = {
    Attempt: _check_attempt,
    Dialect: _check_dialect,
    Input: _check_input,
    MapOutput: _check_map_output,
    Split: _check_split,
}
