"""The input: what the master finds out about it, and the rows a mapper reads of it."""

import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np

from common.errors import InputError
from common.formats import npy, text
from common.model import FloatArray, FloatType, Input, InputFormat, PointArray, Split
from common.records import checksum

_CHANGED = "the file changed while the run was using it"
_OTHER = "on {}, this is not the file that the master has; give every host the same"
_PIECE_BYTES = 1 << 20


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
    check_readable(path)
    try:
        if path.suffix == ".npy":
            return npy.NpyFile(path, columns, dtype)
        if path.suffix in (".parquet", ".pq"):
            from common.formats import parquet

            return parquet.ParquetFile(path, columns, dtype)
        return text.TextFile(path, columns, dtype)
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


def content_digest(path: str | Path, stopped: Callable[[], bool] = lambda: False) -> str:
    """Tell a file's content from others, in hex; empty if `stopped` comes true between two pieces.

    It is the SHA-256 of the CRC-32s of its pieces of a MiB: against accidents, not against adversaries,
    and several times as fast as a SHA-256 of all.
    """
    digest = hashlib.sha256()
    piece = bytearray(_PIECE_BYTES)
    with Path(path).open("rb") as file:
        while size := file.readinto(piece):
            digest.update(checksum(memoryview(piece)[:size]).to_bytes(4))
            if stopped():
                return ""
    return digest.hexdigest()


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


def stored_rows(source: Input, split: Split) -> PointArray | None:
    """Return a split's rows, memory-mapped, if the file holds them just as they are to be used.

    Their numbers are not checked: `read_blocks` does that.

    Raises
    ------
    InputError
        The file has changed since the master saw it, or can't be read.
    """
    if source.format is not InputFormat.NPY:
        return None
    with _reading(source):
        return npy.view(source, split)


def check_unchanged(source: Input) -> None:
    """Raise InputError if the file has changed since the master saw it, or can't be read."""
    try:
        _refuse_changed(source)
    except OSError as error:
        raise _unreadable(source.path, error) from None


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows, in blocks of shape (rows, columns), every number checked.

    Raises
    ------
    InputError
        The file has changed since the master saw it, can't be read, or holds what it must not.
    """
    with _reading(source):
        yield from _reader(source.format)(source, split)


def check_split(source: Input, split: Split) -> None:
    """Raise what `read_blocks` raises; for rows that need no reading, since they are stored as wanted."""
    for _ in read_blocks(source, split):
        pass


def load_split(source: Input, split: Split) -> PointArray:
    """Return a split's rows, shape (rows, columns), checked: in memory, or mapped from the file.

    Raises
    ------
    InputError
        As `read_blocks`.
    """
    stored = stored_rows(source, split)
    if stored is not None:
        check_split(source, split)
        return stored
    points: PointArray = np.empty((split.rows, len(source.columns)), source.dtype)
    rows = 0
    for block in read_blocks(source, split):
        points[rows : rows + len(block)] = block[: max(0, split.rows - rows)]
        rows += len(block)
    check_rows(source, split, rows)
    return points


def check_rows(source: Input, split: Split, rows: int) -> None:
    """Raise InputError if that many rows were read and not as many as the split has."""
    if rows != split.rows:
        raise InputError.at(source.path, _CHANGED)


@contextmanager
def _reading(source: Input) -> Iterator[None]:
    """Refuse a file that has changed, or does meanwhile; what the system has against it is an InputError."""
    try:
        _refuse_changed(source)
        try:
            yield
        except Exception:
            _refuse_changed(source)  # then whatever was found in it is of no interest
            raise
        _refuse_changed(source)
    except OSError as error:
        raise _unreadable(source.path, error) from None


def _refuse_changed(source: Input) -> None:
    """Let pass the file that the master saw, and a copy of it where that will do."""
    status = os.stat(source.path)  # noqa: PTH116
    if (status.st_size, status.st_mtime_ns) == (source.size_bytes, source.mtime_ns):
        return
    if not source.digest:
        raise InputError.at(source.path, _CHANGED)
    same_size = status.st_size == source.size_bytes
    if not same_size or _digest_of(source.path, status.st_mtime_ns) != source.digest:
        raise InputError.at(source.path, _OTHER.format(socket.gethostname()))


@lru_cache(maxsize=4)
def _digest_of(path: str, _mtime_ns: int) -> str:
    return content_digest(path)


def read_all(path: str | Path, columns: str | None = None) -> FloatArray:
    """Read a whole small file, shape (rows, columns); centroids, say."""
    file = open_input(path, columns)
    (whole,) = plan_splits(file, 1)
    return np.concatenate(list(read_blocks(file.input, whole)))


def _reader(kind: InputFormat) -> Callable[[Input, Split], Iterator[PointArray]]:
    if kind is InputFormat.TEXT:
        return text.read_blocks
    if kind is InputFormat.NPY:
        return npy.read_blocks
    from common.formats import parquet

    return parquet.read_blocks
