"""NumPy's files: a vector (one column), a matrix or a structured array of real numbers; its ids may be texts.

A worker memory-maps an .npy file. An .npz archive of one array is read from its beginning up to a split.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from common.errors import EmptyInputError, InputError
from common.formats.columns import ColumnChoice, as_chosen, block_rows, choose, usable
from common.formats.dataset import InputFile, input_of
from common.formats.layout import TextOptions
from common.formats.texts import TextCodes
from common.model import FloatType, Input, InputFormat, PointArray, Split

_REAL = "fiub"
"""NumPy's kinds of real numbers; True and False are 1 and 0."""
_IDS = _REAL + "US"
"""Those of ids: texts and bytes, too."""
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, RuntimeError)


def open_file(path: Path, columns: ColumnChoice, dtype: FloatType, _options: TextOptions) -> InputFile:
    """Open an array; see `Format`."""
    with _opened(str(path)) as array:
        pass
    if not array.rows or not array.fields:
        raise EmptyInputError.at(str(path), "the array is empty; it needs at least one row and one column")
    names, fields = list(array.names), array.fields
    chosen, texts, ids = choose(str(path), columns, names, range(fields), fields, hold_texts=())
    array.check_columns(str(path), chosen, _REAL, "not numbers; choose others with --columns")
    array.check_columns(str(path), ids.columns, _IDS, "neither numbers nor texts; choose others with --id")
    found = input_of(
        path, InputFormat.NPY, array.fields, chosen, rows=array.rows, dtype=dtype, names=array.names
    )
    return InputFile(input=as_chosen(found, columns, texts), ids=ids)


def read_blocks(source: Input, split: Split, texts: TextCodes) -> Iterator[PointArray]:
    """Read a split's rows; see `Format`. Nothing is mapped: see `view`."""
    with _opened(source.path) as array:
        rows = array.rows_at_once(source, split)
        for start in range(split.row_start, split.row_stop, rows):
            raw = array.read(source.columns, start, min(rows, split.row_stop - start))
            kept = array.columns_in(raw, source.columns)
            numbers = _stacked(kept, texts) if array.names or texts.as_they_stand else raw
            block = usable(numbers if numbers.dtype == source.dtype else numbers.astype(float), source, start)
            texts.replace_numbers(block, kept)
            yield block


def _stacked(columns: list[npt.NDArray[Any]], texts: TextCodes) -> npt.NDArray[Any]:
    """Put columns side by side; 0 stands for ids, which may be anything."""
    are_ids = [texts.as_they_stand and i in texts for i in range(len(columns))]
    return np.column_stack(
        [np.zeros(len(each)) if is_id else each for each, is_id in zip(columns, are_ids, strict=True)]
    )


def view(source: Input, split: Split, *, mapped: bool) -> PointArray | None:
    """Map a split's rows, unchecked; None if other columns or another type are wanted, or rows in memory.

    If the file gets shorter, a process that looks at such rows dies: only a worker may.
    """
    with _opened(source.path) as array:
        every_column = source.columns == tuple(range(source.fields))
        in_place = array.by_rows and not array.zipped and array.dtype == source.dtype
        if not mapped or not every_column or not in_place or source.is_table:
            return None
        shape = array.rows, array.fields
        return np.memmap(source.path, array.dtype, "r", array.offset, shape)[split.row_start : split.row_stop]


@dataclass(frozen=True)
class _Array:
    """An array in an open file."""

    file: IO[bytes]
    offset: int
    """Where its numbers begin in the file."""
    dtype: np.dtype[Any]
    rows: int
    fields: int
    by_rows: bool
    """Row after row, or else column after column."""
    zipped: bool
    """The file has to be read from its beginning to get anywhere."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a structured array's columns."""
        return self.dtype.names or ()

    def names_of(self, columns: tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of some columns, if they have names."""
        return tuple(self.names[column] for column in columns) if self.names else ()

    def check_columns(self, path: str, columns: tuple[int, ...], kinds: str, advice: str) -> None:
        """Raise InputError if one of a structured array's columns is of another kind."""
        for column, name in zip(columns, self.names_of(columns), strict=False):
            if (kind := self.dtype[name]).kind not in kinds:
                raise InputError.at(path, f"column '{name}' holds {kind}, {advice}", column=column + 1)

    def rows_at_once(self, source: Input, split: Split) -> int:
        """Return the number of rows to read so that a zipped file is read once, from beginning to end."""
        return max(1, split.rows) if self.zipped and not self.by_rows else block_rows(source)

    def read(self, columns: tuple[int, ...], start: int, count: int) -> npt.NDArray[Any]:
        """Read columns of some rows, shape (rows, columns); of a structured array all, as it holds them."""
        if self.names:
            return self._read(start, count)
        if not self.by_rows:
            return np.column_stack([self._read(column * self.rows + start, count) for column in columns])
        block = self._read(start * self.fields, count * self.fields).reshape(-1, self.fields)
        every_column = columns == tuple(range(self.fields))
        return block if every_column else np.ascontiguousarray(block[:, columns])

    def columns_in(self, read: npt.NDArray[Any], columns: tuple[int, ...]) -> list[npt.NDArray[Any]]:
        """Return each of the columns that were read, in its own type."""
        return [read[name] for name in self.names_of(columns)] if self.names else list(read.T)

    def _read(self, first: int, count: int) -> npt.NDArray[Any]:
        size = self.dtype.itemsize
        self.file.seek(self.offset + first * size)
        numbers = np.empty(count, self.dtype)
        read = self.file.readinto(numbers.view(np.uint8))  # type: ignore[attr-defined]
        return numbers[: read // size]


@contextmanager
def _opened(path: str) -> Iterator[_Array]:
    """Open an array; whatever is wrong with the file, then or later, is an error in the input."""
    with Path(path).open("rb") as file:
        if file.read(2) != b"PK":
            yield _array_in(path, file, Path(path).stat().st_size, zipped=False)
            return
        try:
            with zipfile.ZipFile(file) as archive:
                member = _only_member(path, archive)
                with archive.open(member) as unzipped:
                    yield _array_in(path, unzipped, member.file_size, zipped=True)
        except _BAD_ZIP as error:
            raise InputError.at(path, f"not a usable .npz file ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _only_member(path: str, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) > 1:
        names = ", ".join(member.filename.removesuffix(".npy") for member in members)
        raise InputError.at(path, f"it holds several arrays: {names}; save one of them with numpy.save")
    return members[0]


def _array_in(path: str, file: IO[bytes], size_bytes: int, *, zipped: bool) -> _Array:
    """Read the header of an array."""
    file.seek(0)
    try:
        shape, in_columns, dtype = _header(file)
        if file.tell() + math.prod(shape) * dtype.itemsize > size_bytes:
            raise ValueError("it ends too early")
    except OSError:
        raise
    except Exception as error:  # the header is a Python literal, which can be wrong in any way
        raise InputError.at(path, f"not a usable .npy file ({_reason(error)})") from None
    _check_real(path, shape, dtype)
    rows, fields = shape[0], len(dtype.names or ()) or math.prod(shape[1:])
    return _Array(file, file.tell(), dtype, rows, fields, not in_columns or len(shape) == 1, zipped)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return an array's shape, whether it is stored column after column, and its type."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(file)
    elif version in ((2, 0), (3, 0)):
        shape, in_columns, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"unknown version {version}")
    if version == (3, 0) and dtype.names:  # as version 2.0, but in UTF-8
        dtype.names = tuple(name.encode("latin-1").decode() for name in dtype.names)
    if not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError(f"its shape is {shape}")
    return shape, in_columns, dtype


def _check_real(path: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if dtype.names and len(shape) == 1:
        return
    if dtype.kind not in _REAL:
        raise InputError.at(path, f"an array of {dtype}, not of real numbers")
    if len(shape) not in (1, 2):
        what = "not a vector or matrix; reshape it to (rows, columns)"
        raise InputError.at(path, f"an array of {len(shape)} dimensions, {what}")
