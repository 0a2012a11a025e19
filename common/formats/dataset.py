"""The input as a whole: the master opens it and plans its splits; a worker finds it and reads a split."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from common.errors import InputError
from common.formats.content import check_text, format_of_file
from common.formats.layout import TEXT_DEFAULTS, TextOptions
from common.formats.line_index import PLAIN, LineIndex
from common.formats.unchanged import CHANGED, readable, refusing_changes
from common.model import Dialect, FloatArray, FloatType, Input, InputFormat, PointArray, Split


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """An opened input file."""

    input: Input
    """What the workers need to know about it."""
    has_header: bool = False
    """Whether the first row of a text file holds the columns' names."""
    index: LineIndex | None = None
    """Where the rows stand, if they are lines."""

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        if self.index is not None:
            return self.index.split(bounds)
        return [Split(i, *rows) for i, rows in enumerate(pairwise(bounds))]


def input_of(
    path: Path,
    kind: InputFormat,
    fields: int,
    columns: tuple[int, ...],
    *,
    rows: int,
    dtype: FloatType,
    dialect: Dialect = PLAIN,
    names: Sequence[str] = (),
) -> Input:
    """Describe a file to the workers, with its present size and time; `names` are of all columns."""
    now, real = path.stat(), str(path.resolve())
    used = tuple(names[column] for column in columns) if names else ()
    return Input(real, kind, dialect, fields, columns, rows, now.st_size, now.st_mtime_ns, dtype, names=used)


class Format(Protocol):
    """The module of a format."""

    def open_file(self, path: Path, columns: str | None, dtype: FloatType, options: TextOptions) -> InputFile:
        """Find out the columns and the number of rows, without parsing numbers; see `open_input`."""

    def read_blocks(self, source: Input, split: Split) -> Iterator[Any]:
        """Read and check a split's rows, block by block; raise InputError that names the first wrong one."""


def format_of(kind: InputFormat) -> Format:
    """Import the module only when it is needed: that of Parquet imports pyarrow."""
    return cast(Format, import_module(f"common.formats.{kind}"))


def open_input(
    path: str | Path,
    columns: str | None = None,
    dtype: FloatType = FloatType.FLOAT64,
    options: TextOptions = TEXT_DEFAULTS,
) -> InputFile:
    """Find out a file's format, columns and number of rows, without parsing its numbers.

    The first bytes tell the format. `columns` are as in `choose_columns`; `dtype` is what the numbers are
    rounded to when they are read; `options` are for text. Raise InputError if it can't be read or holds no
    rows, UsageError if it has no such columns.
    """
    return _open(Path(path), format_of_file, columns, dtype, options)


def open_lines(path: str | Path) -> InputFile:
    """Count a text file's lines, without decoding them; InputError if it can't be read or has none."""
    return _open(Path(path), _lines, None, FloatType.FLOAT64, TEXT_DEFAULTS)


def _lines(path: Path) -> InputFormat:
    check_text(path)
    return InputFormat.LINES


def _open(
    path: Path,
    find_format: Callable[[Path], InputFormat],
    columns: str | None,
    dtype: FloatType,
    options: TextOptions,
) -> InputFile:
    check_readable(path)
    with readable(path):
        return format_of(find_format(path)).open_file(path, columns, dtype, options)


def check_readable(path: Path) -> None:
    """Raise InputError if this is not a file, or not one that we may read."""
    with readable(path):
        if path.is_dir():
            raise InputError.at(str(path), "a folder, not a file")
        if not path.is_file() and path.exists():
            raise InputError.at(str(path), "a pipe or a device; the input must be a regular file")
        path.open("rb").close()


def resolve_input(path: str, data_root: Path | None) -> str:
    """Return where an input really is, if a worker may read it.

    `data_root` is the only folder whose files may be read (None: any), and where relative paths begin. Raise
    InputError if the input is not below it, symbolic links followed, or is not a file. The text shows only
    `path`, and does not tell whether a file outside the data root exists.
    """
    if data_root is None:
        return path
    root = Path(os.path.realpath(data_root))
    real = Path(os.path.realpath(root / path))
    if ".." in Path(path).parts or root not in real.parents:
        raise InputError.at(path, "not below the --data-root of this worker")
    if real.exists() and not real.is_file():
        raise InputError.at(path, "not a file")
    return str(real)


def plan_splits(file: InputFile, n: int) -> list[Split]:
    """Cut the rows into n splits whose sizes differ by one row at most."""
    rows = file.input.rows
    return file.split([rows * i // n for i in range(n + 1)])


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows, in blocks of shape (rows, columns), every number checked.

    Raise InputError if the file has changed since the master saw it, can't be read, or has invalid content.
    """
    rows = 0
    with refusing_changes(source):
        for block in format_of(source.format).read_blocks(source, split):
            rows += len(block)
            if rows > split.rows:
                break
            yield block
        if rows != split.rows:
            raise InputError.at(source.path, CHANGED)


def read_all(path: str | Path, columns: str | None = None) -> FloatArray:
    """Read a whole small file, shape (rows, columns); centroids, say."""
    file = open_input(path, columns)
    (whole,) = plan_splits(file, 1)
    return np.concatenate(list(read_blocks(file.input, whole)))
