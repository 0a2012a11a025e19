"""The words of the project as values: frozen, without behaviour, passed everywhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int32]
LongArray: TypeAlias = npt.NDArray[np.int64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
PointArray: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.float64]
"""Rows of numbers as they are kept; see `Input.dtype`."""


@dataclass(frozen=True)
class Table:
    """Rows with columns of texts, which are numbers here: the place of the row's text among the column's.

    `points` have shape (rows, columns), nan where a number is missing. `texts` has the columns of texts by
    their positions, each with its texts; an empty text is a missing one. Slices share them.
    """

    points: PointArray
    texts: Mapping[int, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, where: slice) -> "Table":
        return Table(self.points[where], self.texts)


Rows: TypeAlias = PointArray | Sequence[str] | Table
"""Rows of the input: numbers, shape (rows, columns), lines of text, or numbers and texts."""

Key: TypeAlias = int | str
TextArray: TypeAlias = npt.NDArray[np.object_]
"""Strings."""
Keys: TypeAlias = IntArray | TextArray
KeyType: TypeAlias = type[int] | type[str]

Buffer: TypeAlias = bytes | bytearray | memoryview

State: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""What changes between stages, by name; the centroids, say."""


class Role(StrEnum):
    """The kind of a worker process."""

    MAPPER = "mapper"
    REDUCER = "reducer"


class InputFormat(StrEnum):
    """How the input file is stored."""

    TEXT = "text"
    NPY = "npy"
    PARQUET = "parquet"
    ARROW = "arrow"
    LINES = "lines"
    """Text whose rows are its lines, as they are."""


class FloatType(StrEnum):
    """What the input's numbers are rounded to when they are read, and kept as."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


class RecordFormat(StrEnum):
    """How intermediate files hold records."""

    TEXT = "text"
    ARROW = "arrow"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the lines of a text file are cut into rows and fields, and how numbers are written."""

    delimiter: str = ""
    """One character, or "" for white space."""
    quote: str = '"'
    """Within two of them a delimiter or a line end is text; "" for none."""
    decimal: str = "."
    comment: str = ""
    """Lines that begin with it are left out; "" for none."""
    trailing: bool = False
    """Whether a delimiter follows the last field of each line."""
    drops_missing: bool = False
    """Whether rows that lack a number are left out."""


@dataclass(frozen=True, slots=True)
class Input:
    """The input file as the master found it; one whose size or time has changed is refused."""

    path: str
    """Absolute, or relative to the data root of whoever reads it."""
    format: InputFormat
    dialect: Dialect
    """Text only."""
    fields: int
    """Number of columns in the file."""
    columns: tuple[int, ...]
    """Positions of the columns used, from 0, in the order used."""
    rows: int
    """Number of data rows; blank lines and the header do not count."""
    size_bytes: int
    mtime_ns: int
    dtype: FloatType = FloatType.FLOAT64
    digest: str = ""
    """Of its content, in hex, so that a copy on another host will do; "" if it must be this very file."""
    names: tuple[str, ...] = ()
    """Of the columns used, if they have names."""
    first_row: int = 0
    """The number of rows in the files before, if it is one of several."""
    is_table: bool = False
    """Whether the rows are a `Table`, which may have columns of texts."""
    texts: tuple[int, ...] = ()
    """Which of the columns used, by position among them from 0, hold texts."""
    keeps_missing: bool = False
    """Whether a number or a text may be missing."""
    has_weights: bool = False
    """Whether the last of the columns used holds the rows' weights."""


@dataclass(frozen=True, slots=True)
class Split:
    """A piece of the input, in one file: rows `row_start` up to but not including `row_stop` of all rows.

    For text and lines, `byte_start` and `byte_stop` bound the same rows in the file, and `line_start` is the
    line number (from 1) of the first byte, blank lines counted.
    """

    index: int
    row_start: int
    row_stop: int
    byte_start: int = 0
    byte_stop: int = 0
    line_start: int = 1

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.row_stop - self.row_start

    def __str__(self) -> str:
        return f"{self.row_start + 1}..{self.row_stop}" if self.rows else "none"


@dataclass(frozen=True, slots=True)
class Stage:
    """One call of an engine: a job run over the whole input.

    `sequence` counts from 1 over the run; `iteration` is the algorithm's, from 1, or None for jobs
    outside the iterations. `epoch` tells one master's life from another's.
    """

    sequence: int
    job: str
    iteration: int | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try, counted from 1, of one task, counted from 0, of a stage."""

    stage: Stage
    task: int
    number: int


@dataclass(frozen=True, slots=True)
class CommittedFile:
    """A file as its writer vouches for it."""

    size_bytes: int
    records: int
    crc32: int


@dataclass(frozen=True, slots=True)
class MapOutput:
    """Where one partition of a finished map task is, and what its mapper vouches for."""

    task: int
    attempt: int
    worker: str
    address: str
    partition: CommittedFile


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """Options of the run that reach a worker with each task; see the command line's help."""

    combine: bool = False
    keep_iterations: bool = False
    delay_s: float = 0.0
    fail_rate: float = 0.0
    seed: int = 0
    intermediate: RecordFormat = RecordFormat.TEXT
    threads: int = 1
    """0: as many as the worker's host has cores."""


@dataclass(frozen=True)
class Block:
    """Some successive rows of the input, in memory; they are never written to."""

    rows: Rows
    """Numbers are float64. `Job.summarize`, and jobs that take float32, get them as the input is kept."""
    row_start: int
    """The input row of `rows[0]`, from 0."""

    @property
    def points(self) -> FloatArray:
        """The rows of an input of numbers."""
        return cast(FloatArray, self.rows)

    @property
    def table(self) -> Table:
        """The rows of an input with columns of texts."""
        return cast(Table, self.rows)

    @property
    def lines(self) -> Sequence[str]:
        """The rows of an input of text, without line ends."""
        return cast(Sequence[str], self.rows)


def as_keys(keys: Sequence[Key], key_type: KeyType) -> Keys:
    """Return keys as an array."""
    return np.array(keys, object if key_type is str else np.int32)


@dataclass(frozen=True)
class Records:
    """Key-value pairs."""

    keys: Keys
    """Shape (n,): int32, not negative, or strings."""
    values: FloatArray
    """Shape (n, w)."""

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def empty(cls, key_type: KeyType = int) -> "Records":
        """No record; fits records of any width."""
        return cls(as_keys([], key_type), np.empty((0, 0)))

    @classmethod
    def of_key(cls, key: Key, values: FloatArray) -> "Records":
        """One record for each row of values, all of the same key."""
        return cls(as_keys([key] * len(values), type(key)), values)

    @classmethod
    def concatenate(cls, parts: "list[Records]") -> "Records":
        """One after another; empty parts need not have the width of the others."""
        filled = [part for part in parts if len(part)] or parts[:1] or [cls.empty()]
        if len(filled) == 1:
            return filled[0]
        keys = np.concatenate([part.keys for part in filled])
        return cls(keys, np.concatenate([part.values for part in filled]))
