"""The file of labels: one a line, or a table of CSV or Parquet, with the ids of the rows if there are any.

Labels come from the mappers, and ids from the input, piece by piece: never are all of them in memory.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.compute
import pyarrow.parquet
from pyarrow import types

from common.errors import RunFailedError, UsageError, shortened
from common.formats.columns import LABELS
from common.formats.dataset import InputFile
from common.formats.ids import read_ids, types_of_ids
from common.model import Buffer
from common.records.conversion import to_arrow
from common.records.text import decode

_TEXT = pyarrow.large_string()


def label_table(path: Path, file: InputFile, pieces: Iterable[Buffer]) -> Iterator[Buffer]:
    """Yield a table of the labels, whose lines come in pieces, and of the ids, if the input has some."""
    labels = _labels_in(pieces)
    batches = (
        _beside_ids(schema_of_ids(path, file), read_ids(file), labels) if file.ids.columns else _alone(labels)
    )
    try:
        yield from _parquet(batches) if path.suffix == ".parquet" else _csv(batches)
    except pyarrow.ArrowException as error:
        raise RunFailedError(f"the ids cannot be written to {path}: {str(error).splitlines()[0]}") from None


def _labels_in(pieces: Iterable[Buffer]) -> Iterator[pyarrow.Array]:
    """Yield the labels in whole lines."""
    rest = b""
    for piece in pieces:
        lines, end, rest = (rest + bytes(piece)).rpartition(b"\n")
        if end:
            yield to_arrow(decode(lines + end).keys)


def _alone(labels: Iterator[pyarrow.Array]) -> Iterator[pyarrow.RecordBatch]:
    for some in labels:
        yield pyarrow.record_batch([some], [LABELS])


def _beside_ids(
    schema: pyarrow.Schema, ids: Iterator[list[pyarrow.Array]], labels: Iterator[pyarrow.Array]
) -> Iterator[pyarrow.RecordBatch]:
    """Put the labels beside the ids; read them to the end, so that no call is left without its answer."""
    ready = to_arrow(np.empty(0, np.int32))
    for some in ids:
        rows = len(some[0])
        while len(ready) < rows:
            if (more := next(labels, None)) is None:
                raise RunFailedError("the workers sent fewer labels than there are ids")
            ready = pyarrow.concat_arrays([ready, more])
        columns = [column.cast(kind) for column, kind in zip(some, schema.types, strict=True)]
        yield pyarrow.record_batch([*columns, ready[:rows]], [*schema.names, LABELS])
        ready = ready[rows:]
    if len(ready) + sum(map(len, labels)):
        raise RunFailedError("the workers sent more labels than there are ids")


def schema_of_ids(path: Path, file: InputFile) -> pyarrow.Schema:
    """Return the names and types of the ids in their table; UsageError if it cannot hold them.

    In CSV all are texts. In Parquet a column has one type, in which those of several files fit.
    """
    kinds = [pyarrow.null()] * len(file.ids.names)
    for source, found in types_of_ids(file):
        for i, kind in enumerate(found):
            what = f"--id: column '{file.ids.names[i]}' of {source} holds {shortened(str(kind))}"
            kinds[i] = _unified(what, kinds[i], kind) if path.suffix == ".parquet" else _text(what, kind)
    return pyarrow.schema(zip(file.ids.names, kinds, strict=True))


def _text(what: str, kind: pyarrow.DataType) -> pyarrow.DataType:
    if not _fits_csv(kind):
        advice = "; write a table with --labels FILE.parquet" if _fits_parquet(kind) else ""
        raise UsageError(f"{what}, which cannot be written as CSV{advice}")
    return _TEXT


def _unified(what: str, before: pyarrow.DataType, kind: pyarrow.DataType) -> pyarrow.DataType:
    if not _fits_parquet(kind):
        raise UsageError(f"{what}, which cannot be written as Parquet")
    schemas = [pyarrow.schema([("id", each)]) for each in (before, kind)]
    try:
        return pyarrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pyarrow.ArrowException:
        advice = "; write texts with --labels FILE.csv" if _fits_csv(before) and _fits_csv(kind) else ""
        raise UsageError(f"{what}, but {shortened(str(before))} in a file before it{advice}") from None


def _fits_csv(kind: pyarrow.DataType) -> bool:
    """Tell whether all values of a type can be written as texts; bytes may be anything."""
    try:
        pyarrow.array([], kind).cast(_TEXT)
    except pyarrow.ArrowException:
        return False
    return not (types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind))


def _fits_parquet(kind: pyarrow.DataType) -> bool:
    try:
        pyarrow.parquet.ParquetWriter(io.BytesIO(), pyarrow.schema([("id", kind)])).close()
    except pyarrow.ArrowException:
        return False
    return True


def _csv(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[Buffer]:
    """Yield lines, the first of which has the names."""
    for number, batch in enumerate(batches):
        if not number:
            yield from _lines([pyarrow.array([name]) for name in batch.schema.names])
        yield from _lines(batch.columns)


def _lines(columns: list[pyarrow.Array]) -> Iterator[Buffer]:
    """Yield the lines of some rows; what has a comma, a quote or a line end within is in quotes."""
    texts = [_quoted(column.cast(_TEXT)) for column in columns]
    lines = _joined(*[part for text in texts for part in (text, ",")][:-1], "\n")
    _, offsets, content = lines.buffers()
    yield memoryview(content)[: np.frombuffer(offsets, np.int64)[len(lines)]]


def _quoted(texts: pyarrow.Array) -> pyarrow.Array:
    is_special = pyarrow.compute.match_substring_regex(texts, '[",\r\n]')
    if not pyarrow.compute.any(is_special).as_py():
        return texts
    doubled = pyarrow.compute.replace_substring(texts, '"', '""')
    return pyarrow.compute.if_else(is_special, _joined('"', doubled, '"'), texts)


def _joined(*parts: pyarrow.Array | str) -> pyarrow.Array:
    """Join texts, row by row; a missing one is empty."""
    large = [pyarrow.scalar(part, _TEXT) if isinstance(part, str) else part for part in (*parts, "")]
    return pyarrow.compute.binary_join_element_wise(*large, null_handling="replace")


def _parquet(batches: Iterator[pyarrow.RecordBatch]) -> Iterator[Buffer]:
    """Yield the bytes of a Parquet file; each batch is a row group."""
    sink, writer = _Pieces(), None
    for batch in batches:
        writer = writer or pyarrow.parquet.ParquetWriter(pyarrow.PythonFile(sink, "w"), batch.schema)
        writer.write_batch(batch)
        yield sink.take()
    if writer is not None:
        writer.close()
    yield sink.take()


class _Pieces(io.RawIOBase):
    """A file whose bytes are taken away as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Buffer) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        self._size += len(self._parts[-1])
        return len(self._parts[-1])

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
