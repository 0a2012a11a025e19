"""Arrow files, which Feather files of version 2 are, too; see `tables`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.ipc

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
        return open_table(str(path), table, InputFormat.ARROW, columns, dtype)


def read_blocks(source: Input, split: Split, texts: TextCodes) -> Iterator[PointArray]:
    """Read a split's rows from the record batches that hold them; see `Format`."""
    with _opened(source.path) as table:
        yield from read_table(table, source, split, texts)


class _RecordBatches:
    """See `Table`."""

    def __init__(self, file: pyarrow.MemoryMappedFile) -> None:
        self._file = file
        self.schema = pyarrow.ipc.open_file(file).schema
        # Of a compressed batch only the fields wanted are unpacked.
        first = self._reader([0])
        self.sizes: Sequence[int] = [first.get_batch(i).num_rows for i in range(first.num_record_batches)]

    def batches(self, piece: int, fields: list[int], rows: int) -> Iterator[pyarrow.RecordBatch]:
        batch = self._reader(fields).get_batch(piece)
        batch.validate(full=True)  # offsets into lists lie in the file and may point anywhere
        for start in range(0, len(batch), rows):
            yield batch.slice(start, rows)

    def _reader(self, fields: list[int]) -> pyarrow.ipc.RecordBatchFileReader:
        options = pyarrow.ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        return pyarrow.ipc.open_file(self._file, options=options)


@contextmanager
def _opened(path: str) -> Iterator[_RecordBatches]:
    """Open a file; whatever pyarrow has against it, then or later, is an error in the input."""
    Path(path).stat()  # says more plainly than pyarrow that there is no such file
    try:
        with pyarrow.memory_map(path) as file:
            yield _RecordBatches(file)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError.at(path, f"not a usable Arrow file ({reason})") from None
