"""Parquet files, read by pyarrow; see `tables`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet

from common.errors import InputError
from common.formats.columns import ColumnChoice
from common.formats.dataset import InputFile
from common.formats.layout import TextOptions
from common.formats.tables import open_table, read_table
from common.formats.texts import TextCodes
from common.model import FloatType, Input, InputFormat, PointArray, Split


def open_file(path: Path, columns: ColumnChoice, dtype: FloatType, _options: TextOptions) -> InputFile:
    """Open a table; see `Format`."""
    with _opened(str(path)) as table:
        return open_table(str(path), table, InputFormat.PARQUET, columns, dtype)


def read_blocks(source: Input, split: Split, texts: TextCodes) -> Iterator[PointArray]:
    """Read a split's rows from the row groups that hold them; see `Format`."""
    with _opened(source.path) as table:
        yield from read_table(table, source, split, texts)


class _RowGroups:
    """See `Table`."""

    def __init__(self, file: pyarrow.parquet.ParquetFile) -> None:
        self._file = file
        self.schema = file.schema_arrow
        self.sizes: Sequence[int] = [
            file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)
        ]

    def batches(self, piece: int, fields: list[int], rows: int) -> Iterator[pyarrow.RecordBatch]:
        numbered = list(_numbered(self.schema.names))
        wanted = sorted({numbered[field][0] for field in fields})
        for batch in self._file.iter_batches(rows, [piece], wanted, use_threads=False):
            places = {name: place for place, name in enumerate(_numbered(batch.schema.names))}
            yield batch.select([places[numbered[field]] for field in fields])


def _numbered(names: list[str]) -> Iterator[tuple[str, int]]:
    """Yield each name with the number of times that it has come before: fields may have the same name."""
    seen: Counter[str] = Counter()
    for name in names:
        yield name, seen[name]
        seen[name] += 1


@contextmanager
def _opened(path: str) -> Iterator[_RowGroups]:
    """Open a file; whatever pyarrow has against it, then or later, is an error in the input."""
    Path(path).stat()  # says more plainly than pyarrow that there is no such file
    try:
        # Mapped, so that no more of a row group is in memory than the pages at work.
        with pyarrow.parquet.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            yield _RowGroups(file)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError.at(path, f"not a usable Parquet file ({reason})") from None
