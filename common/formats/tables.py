"""Tables that pyarrow reads: their columns, of numbers or of vectors, are the columns of the points.

A vector's elements are columns of their own: "v[0]", "v[1]" and so on, or "v" for all of them.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow

from common.errors import EmptyInputError, InputError, UsageError
from common.formats.arrays import (
    Numbers,
    UnusableError,
    holds_numbers,
    holds_texts,
    holds_vectors,
    length_of,
    numbers_of,
)
from common.formats.columns import (
    EMPTY_FIELD,
    MISSING_TEXT,
    ChosenColumns,
    ColumnChoice,
    as_chosen,
    block_rows,
    choose,
    choose_columns,
    usable,
)
from common.formats.dataset import InputFile, input_of
from common.formats.texts import TextCodes
from common.model import FloatType, Input, InputFormat, PointArray, Split

_MOST_COLUMNS = 1 << 20
_LONGEST_ADVICE = 200
_LONGEST_TYPE = 60


class Table(Protocol):
    """An open file: its rows lie in pieces, which are row groups or record batches."""

    schema: pyarrow.Schema
    sizes: Sequence[int]
    """The number of rows in each piece."""

    def batches(self, piece: int, fields: list[int], rows: int) -> Iterator[pyarrow.RecordBatch]:
        """Read fields of the schema, given in its order, some rows at a time (`rows` is a wish)."""


@dataclass(frozen=True)
class _Field:
    """A field of the schema, and the columns that it makes."""

    name: str
    kind: pyarrow.DataType
    position: int
    """Of its first column."""
    length: int | None
    """Of its vectors; None if it holds none."""

    @property
    def columns(self) -> range:
        """The positions of its columns."""
        return range(self.position, self.position + (self.length or 1))

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return [self.name] if self.length is None else [f"{self.name}[{i}]" for i in range(self.length)]


def open_table(
    path: str, table: Table, kind: InputFormat, choice: ColumnChoice, dtype: FloatType
) -> InputFile:
    """Describe a table; see `Format.open_file`. The index that pandas has stored is used only if named."""
    rows = sum(table.sizes)
    if not rows or not table.schema.names:
        raise EmptyInputError.at(path, "the table is empty; it needs at least one row and one column")
    fields = _fields_of(path, table)
    names = [name for field in fields for name in field.names]
    index = pandas_index((table.schema.metadata or {}).get(b"pandas", b"{}"))
    data = [field for field in fields if field.name not in index]
    texts = [field.position for field in fields if field.length is None and holds_texts(field.kind)]
    wanted = _spelled_out(choice.wanted, fields) if isinstance(choice.wanted, str) else choice.wanted
    chosen = choose(path, replace(choice, wanted=wanted), names, _positions(data), len(names), texts)
    _check_types(path, fields, data, chosen, choice)
    beside = set(chosen.ids.columns)
    if vectors := [field.name for field in fields if field.length and not beside.isdisjoint(field.columns)]:
        raise UsageError(
            f"--id {choice.ids}: column '{vectors[0]}' holds vectors; choose columns without them"
        )
    if not chosen.columns:
        raise InputError.at(path, "its only columns are the index of pandas; choose them with --columns")
    found = input_of(Path(path), kind, len(names), chosen.columns, rows=rows, dtype=dtype, names=names)
    return InputFile(input=as_chosen(found, choice, chosen.texts), ids=chosen.ids)


def read_table(table: Table, source: Input, split: Split, texts: TextCodes) -> Iterator[PointArray]:
    """Read a split's rows; see `Format.read_blocks`."""
    reader = _Reader(source, _fields_of(source.path, table), texts)
    for piece, (start, stop) in enumerate(pairwise(accumulate(table.sizes, initial=0))):
        if start >= split.row_stop or split.row_start >= stop:
            continue
        for batch in table.batches(piece, reader.fields_read, block_rows(source)):
            low, high = max(split.row_start - start, 0), min(split.row_stop - start, len(batch))
            if low < high:
                yield reader.points(batch.slice(low, high - low), start + low)
            start += len(batch)


class _Reader:
    """Makes points of an input's batches."""

    def __init__(self, source: Input, fields: list[_Field], texts: TextCodes) -> None:
        self._source = source
        self._texts = texts
        self._names = [name for field in fields for name in field.names]
        owners = [i for i, field in enumerate(fields) for _ in field.columns]
        self._fields = fields
        self._owners = [owners[column] for column in source.columns]
        self.fields_read = sorted(set(self._owners))

    def points(self, batch: pyarrow.RecordBatch, row: int) -> PointArray:
        """Return the used columns of some rows, the first of which is `row`, from 0."""
        arrays = dict(zip(self.fields_read, batch.columns, strict=True))
        numbers: dict[int, Numbers] = {}
        points = np.empty((len(batch), len(self._owners)))
        for at, (column, owner) in enumerate(zip(self._source.columns, self._owners, strict=True)):
            field, array = self._fields[owner], arrays[owner]
            if at in self._texts:
                self._refuse_gaps(field, array, row)
                points[:, at] = self._texts.numbers_of(at, array)
            else:
                if owner not in numbers:
                    numbers[owner] = self._numbers(field, array, row)
                points[:, at] = numbers[owner][:, column - field.position]
        return usable(points, self._source, row)

    def _numbers(self, field: _Field, array: pyarrow.Array, row: int) -> Numbers:
        keeps = self._source.keeps_missing and field.length is None
        try:
            return numbers_of(array, field.length or 1, keeps_missing=keeps).reshape(len(array), -1)
        except UnusableError as error:
            column = field.position + error.element
            row, name = row + error.row + 1, self._names[column]
            fills = self._source.is_table and str(error) == EMPTY_FIELD and field.length is None
            what = MISSING_TEXT if fills else str(error)
            raise InputError.at(self._source.path, what, row=row, column=column + 1, name=name) from None

    def _refuse_gaps(self, field: _Field, array: pyarrow.Array, row: int) -> None:
        if array.null_count and not self._source.keeps_missing:
            row += array.is_null().index(True).as_py() + 1
            raise InputError.at(
                self._source.path, MISSING_TEXT, row=row, column=field.position + 1, name=field.name
            )


def _fields_of(path: str, table: Table) -> list[_Field]:
    fields: list[_Field] = []
    for i, (name, kind) in enumerate(zip(table.schema.names, table.schema.types, strict=True)):
        position = fields[-1].columns.stop if fields else 0
        length = max(1, _length_of_first(table, i)) if holds_vectors(kind) else None
        fields.append(_Field(name, kind, position, length))
    if fields and (count := fields[-1].columns.stop) > _MOST_COLUMNS:
        raise InputError.at(path, f"{count} columns are more than {_MOST_COLUMNS}")
    return fields


def _length_of_first(table: Table, field: int) -> int:
    piece = next((i for i, size in enumerate(table.sizes) if size), 0)
    return length_of(next(table.batches(piece, [field], 1)).column(0)[0])


def pandas_index(described: str | bytes) -> list[str]:
    """Return the names of the columns in which pandas has stored the index, by its metadata.

    An index that only counts the rows is not stored in any.
    """
    match json.loads(described):
        case {"index_columns": [*names]}:
            return names
    return []


def _positions(fields: list[_Field]) -> tuple[int, ...]:
    return tuple(column for field in fields for column in field.columns)


def _choose(path: str, wanted: str, fields: list[_Field]) -> tuple[int, ...]:
    """Choose columns; see `choose_columns`. A name of vectors stands for all their elements."""
    names = [name for field in fields for name in field.names]
    return choose_columns(path, _spelled_out(wanted, fields), names, len(names))


def _spelled_out(wanted: str, fields: list[_Field]) -> str:
    """Write the elements of vectors in place of their name."""
    vectors = {field.name: ",".join(field.names) for field in fields if field.length is not None}
    return ",".join(vectors.get(token.strip(), token) for token in wanted.split(","))


def _check_types(
    path: str, fields: list[_Field], data: list[_Field], chosen: ChosenColumns, choice: ColumnChoice
) -> None:
    """Raise InputError if a column chosen holds no numbers, nor texts where they may be; say which do."""
    as_texts = {chosen.columns[i] for i in chosen.texts}
    unusable = [
        field
        for field in fields
        if field.length is None
        and not holds_numbers(field.kind)
        and not (field.position in as_texts and holds_texts(field.kind))
    ]
    bad = next((field for field in unusable if field.position in chosen.columns), None)
    if bad is None:
        return
    what = f"column '{bad.name}' holds {str(bad.kind).removeprefix('large_')[:_LONGEST_TYPE]}, not numbers"
    target = chosen.columns[-1] if choice.target else None
    if bad.position == target or choice.by_model:
        advice = "save it as texts" if bad.position in as_texts else "save it as numbers"
    else:
        usable = [field for field in data if field not in unusable and field.position != target]
        good = [field for field in usable if not set(chosen.columns).isdisjoint(field.columns)] or usable
        advice = _advice(path, fields, good)
    raise InputError.at(path, f"{what}; {advice}", column=bad.position + 1)


def _advice(path: str, fields: list[_Field], good: list[_Field]) -> str:
    """Say what to give to `--columns` for some fields: their names if that is short and clear."""
    if not good:
        return "no column holds numbers"
    for given in (",".join(field.name for field in good), _ranges(good)):
        with suppress(UsageError):
            if len(given) <= _LONGEST_ADVICE and _choose(path, given, fields) == _positions(good):
                return f"leave it out with --columns {shlex.quote(given)}"
    return "choose others with --columns"


def _ranges(fields: list[_Field]) -> str:
    """Write positions from 1, as "1-3,7"."""
    runs = groupby(enumerate(_positions(fields), 1), lambda pair: pair[1] - pair[0])
    bounds = [(run[0][1] + 1, run[-1][1] + 1) for run in (list(group) for _, group in runs)]
    return ",".join(f"{first}-{last}" if first < last else str(first) for first, last in bounds)
