"""Parquet files: one column of the file a column of the points, read by pyarrow."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from common.errors import InputError
from common.formats.columns import EMPTY_FIELD, block_rows, choose_columns, usable
from common.formats.dataset import InputFile, input_of
from common.formats.layout import TextOptions
from common.model import FloatType, Input, InputFormat, PointArray, Split
from common.records.conversion import to_numpy


def open_file(path: Path, columns: str | None, dtype: FloatType, _options: TextOptions) -> InputFile:
    """Open a table; see `Format`."""
    with _opened(str(path)) as file:
        schema, rows = file.schema_arrow, file.metadata.num_rows
    names = schema.names
    if not rows or not names:
        raise InputError.at(str(path), "the table is empty; it needs at least one row and one column")
    chosen = choose_columns(str(path), columns, names, len(names))
    for column in chosen:
        kind = schema.field(column).type
        if not (pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)):
            what = f"column '{names[column]}' holds {kind}, not numbers; choose others with --columns"
            raise InputError.at(str(path), what, column=column + 1)
    return InputFile(input=input_of(path, InputFormat.PARQUET, len(names), chosen, rows=rows, dtype=dtype))


def read_blocks(source: Input, split: Split) -> Iterator[PointArray]:
    """Read a split's rows from the row groups that hold them; see `Format`."""
    with _opened(source.path) as file:
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
        for group, (start, stop) in enumerate(pairwise(accumulate(sizes, initial=0))):
            if start < split.row_stop and split.row_start < stop:
                yield from _read_group(file, group, start, source, split)


def _read_group(
    file: pyarrow.parquet.ParquetFile, group: int, start: int, source: Input, split: Split
) -> Iterator[PointArray]:
    """Read the rows of one row group (its first row is `start`) that lie in the split."""
    names = file.schema_arrow.names
    wanted = sorted({names[column] for column in source.columns})
    for batch in file.iter_batches(block_rows(source), [group], wanted, use_threads=False):
        low, high = max(split.row_start - start, 0), min(split.row_stop - start, len(batch))
        if low < high:
            part = batch.slice(low, high - low)
            block = np.empty((len(part), len(source.columns)))
            for i, position in enumerate(source.columns):
                column = part.column(_position_in(part.schema.names, names, position))
                if column.null_count:
                    missing = column.is_null().index(True).as_py()
                    row = start + low + missing + 1
                    raise InputError.at(source.path, EMPTY_FIELD, row=row, column=position + 1)
                block[:, i] = to_numpy(column)
            yield usable(block, source, start + low)
        start += len(batch)


def _position_in(read: list[str], names: list[str], position: int) -> int:
    """Find a column of the file among those read; several may have the same name."""
    name = names[position]
    which = names[:position].count(name)
    return [i for i, other in enumerate(read) if other == name][which]


@contextmanager
def _opened(path: str) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Open a file; whatever pyarrow has against it, then or later, is an error in the input."""
    Path(path).stat()  # says more plainly than pyarrow that there is no such file
    try:
        # Mapped, so that no more of a row group is in memory than the pages at work.
        with pyarrow.parquet.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            yield file
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError.at(path, f"not a usable Parquet file ({reason})") from None
