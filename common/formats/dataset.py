"""The input as a whole: what the master finds out about it, and where a worker may look for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import InputError
from common.formats import lines, npy, text
from common.formats.reading import read_blocks
from common.model import FloatArray, FloatType, Input, Split


class InputFile(Protocol):
    """One opened input file of any format."""

    @property
    def input(self) -> Input:
        """What was found out about it."""

    @property
    def header(self) -> tuple[str, ...]:
        """The columns' names in the file's first line; none if that holds numbers, or there are no lines."""

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""


def open_input(
    path: str | Path, columns: str | None = None, dtype: FloatType = FloatType.FLOAT64
) -> InputFile:
    """Find out a file's format, columns and number of rows, without parsing its numbers.

    Parameters
    ----------
    path
        The suffix tells the format: .npy, .parquet or .pq; anything else is text.
    columns
        Names or positions (from 1) of the columns to use; None for all.
    dtype
        What the numbers are rounded to when they are read.

    Raises
    ------
    InputError, UsageError
        It can't be read or holds no rows, or has no such columns.
    """
    path = Path(path)
    with _opening(path):
        if path.suffix == ".npy":
            return npy.NpyFile(path, columns, dtype)
        if path.suffix in (".parquet", ".pq"):
            from common.formats import parquet

            return parquet.ParquetFile(path, columns, dtype)
        return text.TextFile(path, columns, dtype)


def open_lines(path: str | Path) -> InputFile:
    """Find out how many lines a file of text has, without decoding them.

    Raises
    ------
    InputError
        It can't be read or holds no line.
    """
    with _opening(Path(path)):
        return lines.LinesFile(Path(path))


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    check_readable(path)
    try:
        yield
    except OSError as error:
        raise _unreadable(path, error) from None


def check_readable(path: Path) -> None:
    """Raise InputError if this is not a file, or not one that we may read."""
    try:
        if path.is_dir():
            raise InputError.at(str(path), "a folder, not a file")
        if not path.is_file() and path.exists():
            raise InputError.at(
                str(path), "a pipe or a device; the mappers need a file that they can read at any place"
            )
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: str | Path, error: OSError) -> InputError:
    return InputError.at(str(path), f"cannot be read: {error.strerror or error}")


def resolve_input(path: str, data_root: Path | None) -> str:
    """Return where an input really is, if a worker may read it.

    Parameters
    ----------
    path
        As the master names it; a relative one is one below the data root.
    data_root
        The only folder whose files may be read; None for any.

    Raises
    ------
    InputError
        It lies elsewhere, symbolic links followed, or is no file. The text names nothing but `path`, and
        says the same of what is elsewhere whether it exists or not.
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


def read_all(path: str | Path, columns: str | None = None) -> FloatArray:
    """Read a whole small file, shape (rows, columns); centroids, say."""
    file = open_input(path, columns)
    (whole,) = plan_splits(file, 1)
    return np.concatenate(list(read_blocks(file.input, whole)))
