"""The input as a whole: the master opens it and plans its splits; a worker finds it and reads a split."""

import glob
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, cast

import numpy as np

from common.errors import EmptyInputError, InputError
from common.formats.columns import NO_IDS, ColumnChoice, IdColumns
from common.formats.content import check_text, format_of_file, refuse_text_options
from common.formats.layout import TEXT_DEFAULTS, TextOptions
from common.formats.line_index import PLAIN, LineIndex
from common.formats.texts import TextCodes
from common.formats.unchanged import CHANGED, readable, refusing_changes
from common.model import Dialect, FloatArray, FloatType, Input, InputFormat, PointArray, Split

_Place = TypeVar("_Place")
_File = TypeVar("_File", bound="InputFile")


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """An opened input file."""

    input: Input
    """What the workers need to know about it."""
    header: tuple[str, ...] = ()
    """The names of all columns, if the first row of a text file holds them."""
    index: LineIndex | None = None
    """Where the rows stand, if they are lines."""
    ids: IdColumns = NO_IDS
    """The columns that stand beside the labels."""

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        if self.index is not None:
            return self.index.split(bounds)
        return [Split(i, *rows) for i, rows in enumerate(pairwise(bounds))]

    def source_of(self, _split: Split) -> Input:
        """Return the file in which a split lies."""
        return self.input


@dataclass(frozen=True, kw_only=True)
class InputFiles(InputFile):
    """Several files, whose rows follow each other; `input` describes them as if they were one."""

    files: Sequence[InputFile]

    @classmethod
    def of(cls, path: Path, files: Sequence[InputFile]) -> Self:
        """Put files together; each has its own number of rows before it."""
        sources = [file.input for file in files]
        whole = whole_of(str(path.resolve()), sources)
        starts = accumulate((source.rows for source in sources), initial=0)
        placed = [
            replace(file, input=replace(file.input, first_row=start))
            for file, start in zip(files, starts, strict=False)
        ]
        return cls(input=whole, header=files[0].header, files=placed, ids=files[0].ids)

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`, and where files begin."""
        found: list[Split] = []
        for file in self.files:
            start, stop = file.input.first_row, file.input.first_row + file.input.rows
            inner = sorted({min(max(bound, start), stop) - start for bound in bounds})
            for split in file.split(inner) if len(inner) > 1 else ():
                rows = start + split.row_start, start + split.row_stop
                found.append(replace(split, index=len(found), row_start=rows[0], row_stop=rows[1]))
        return found

    def source_of(self, split: Split) -> Input:
        """Return the file in which a split lies."""
        starts = [file.input.first_row for file in self.files]
        return self.files[bisect_right(starts, split.row_start) - 1].input


def whole_of(path: str, sources: Sequence[Input]) -> Input:
    """Describe files that were found alike as if they were one."""
    return replace(
        sources[0],
        path=path,
        rows=sum(source.rows for source in sources),
        size_bytes=sum(source.size_bytes for source in sources),
        mtime_ns=max(source.mtime_ns for source in sources),
    )


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

    def open_file(
        self, path: Path, columns: ColumnChoice, dtype: FloatType, options: TextOptions
    ) -> InputFile:
        """Find out the columns and the number of rows, without parsing numbers; see `open_input`."""

    def read_blocks(self, source: Input, split: Split, texts: TextCodes) -> Iterator[Any]:
        """Read and check a split's rows, block by block; raise InputError that names the first wrong one.

        In columns of texts stand the numbers that `texts` has given them.
        """


def format_of(kind: InputFormat) -> Format:
    """Import the module only when it is needed: that of Parquet imports pyarrow."""
    return cast(Format, import_module(f"common.formats.{kind}"))


def open_input(
    path: str | Path,
    columns: ColumnChoice | str | None = None,
    dtype: FloatType = FloatType.FLOAT64,
    options: TextOptions = TEXT_DEFAULTS,
) -> InputFile:
    """Find out a file's format, columns and number of rows, without parsing its numbers.

    A folder or a pattern (`*`, `?`, `[...]`) stands for its files. The first bytes tell the format. `columns`
    are a choice, or as in `choose_columns`; `dtype` is what the numbers are rounded to when they are read;
    `options` are for text. Raise InputError if it can't be read or holds no rows, UsageError if it has no
    such columns.
    """
    path = Path(path)
    columns = columns if isinstance(columns, ColumnChoice) else ColumnChoice(columns)
    paths = files_of(path)
    if paths is None:
        return _open(path, options, format_of_file, columns, dtype)
    each = partial(_open, find_format=format_of_file, columns=columns, dtype=dtype)
    return InputFiles.of(path, open_alike(str(path), paths, each, options))


def open_alike(
    path: str,
    found: Iterable[_Place],
    open_one: Callable[[_Place, TextOptions], _File],
    options: TextOptions,
) -> list[_File]:
    """Open several files as the first one of them is read, but for those without a row.

    Raise InputError if one has other columns, or none has a row.
    """
    files: list[_File] = []
    for each in found:
        with suppress(EmptyInputError):
            files.append(open_one(each, options))
            _check_alike(files[0], files[-1])
            dialect = files[0].input.dialect
            options = replace(options, delimiter=dialect.delimiter or "space", repeated=files[0].header)
    if not files:
        raise EmptyInputError.at(path, "none of its files has a row")
    return files


def files_of(path: Path) -> list[Path] | None:
    """Return the files in a folder, or those that a pattern names, in the order of their names.

    None: it is one file. Names that begin with a dot or an underscore are passed over, as Spark does. Raise
    InputError if there is no file.
    """
    if path.is_dir():
        found = [each for each in path.iterdir() if each.name[0] not in "._"]
        if folder := next((each for each in sorted(found) if each.is_dir()), None):
            raise InputError.at(str(folder), f"a folder; give the files themselves: --input '{path}/*/*'")
    elif path.exists() or not glob.has_magic(str(path)):
        return None
    else:
        found = [Path(name) for name in glob.glob(str(path)) if Path(name).name[0] != "_"]  # noqa: PTH207
    if not found:
        raise InputError.at(str(path), "there is no file")
    return sorted(found)


def _check_alike(first: InputFile, other: InputFile) -> None:
    """Raise InputError if a file has not the columns of the first one."""
    ours, theirs = first.input, other.input
    alike = ("format", "fields", "columns", "texts")
    dialects = [replace(source.dialect, quote="") for source in (ours, theirs)]  # one may have no quote
    same_names = theirs.names in ((), ours.names) and other.header in ((), first.header)
    differ = any(getattr(ours, name) != getattr(theirs, name) for name in alike)
    if differ or dialects[0] != dialects[1] or not same_names:
        raise InputError.at(theirs.path, f"its format or its columns are not those of {ours.path}")


def open_lines(path: str | Path) -> InputFile:
    """Count a text file's lines, without decoding them; InputError if it can't be read or has none."""
    return _open(Path(path), TEXT_DEFAULTS, _lines, ColumnChoice(), FloatType.FLOAT64)


def _lines(path: Path) -> InputFormat:
    check_text(path)
    return InputFormat.LINES


def _open(
    path: Path,
    options: TextOptions,
    find_format: Callable[[Path], InputFormat],
    columns: ColumnChoice,
    dtype: FloatType,
) -> InputFile:
    check_readable(path)
    with readable(path):
        kind = find_format(path)
        if options.repeated is None:  # later files are compared with the first one
            refuse_text_options(str(path), kind, options)
        return format_of(kind).open_file(path, columns, dtype, options)


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


def within_file(source: Input, split: Split) -> Split:
    """Return a split with the numbers that its rows have in their file."""
    first = source.first_row
    return replace(split, row_start=split.row_start - first, row_stop=split.row_stop - first)


def read_blocks(source: Input, split: Split, texts: TextCodes | None = None) -> Iterator[PointArray]:
    """Read a split's rows, in blocks of shape (rows, columns), every number checked.

    In columns of texts stand the numbers that `texts` has given them. Raise InputError if the file has
    changed since the master saw it, can't be read, or has invalid content.
    """
    rows = 0
    texts = texts or TextCodes(source)
    with refusing_changes(source):
        for block in format_of(source.format).read_blocks(source, within_file(source, split), texts):
            rows += len(block)
            if rows > split.rows:
                break
            yield block
        if rows != split.rows:
            raise InputError.at(source.path, CHANGED)


def read_all(path: str | Path, columns: str | None = None) -> FloatArray:
    """Read a whole small file, shape (rows, columns); centroids, say."""
    file = open_input(path, columns)
    splits = plan_splits(file, 1)
    return np.concatenate([block for split in splits for block in read_blocks(file.source_of(split), split)])
