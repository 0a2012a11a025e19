"""Records as Arrow IPC files (also called Feather, version 2), which pandas, Polars and DuckDB open.

The columns are `key`, int32 or string, and the values `x0`, `x1`, ..., float64. What is read may have come
over the wire, so whatever Arrow does not check by itself is checked here.
"""

import numpy as np
import pyarrow
import pyarrow.ipc

from common.model import Buffer, Keys, KeyType, LongArray, Records
from common.records.base import Sink, blocks
from common.records.conversion import to_arrow, to_arrow_bytes, to_records

_KEY_TYPES = {int: pyarrow.int32(), str: pyarrow.large_string()}


class ArrowBatches:
    """Writes records as successive batches."""

    suffix = ".arrow"

    def __init__(self, records: Records) -> None:
        self._records = records
        key_type: KeyType = str if records.keys.dtype == object else int
        self._schema = _schema(records.values.shape[1], key_type)

    def __len__(self) -> int:
        return len(self._records.keys)

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """See `Encoder`."""
        keys, values = self._records.keys, self._records.values
        with pyarrow.ipc.new_file(sink, self._schema) as writer:
            for which, rows in blocks(self._records, positions):
                # `take` copies whole rows; an index array costs several times as much.
                chosen = values[rows] if isinstance(rows, slice) else values.take(rows, axis=0)
                columns = [to_arrow(column) for column in np.ascontiguousarray(chosen.T, np.float64)]
                writer.write_batch(pyarrow.record_batch([_key_column(keys[which]), *columns], self._schema))


def decode_batches(data: Buffer, key_type: KeyType) -> list[Records]:
    """Undo `ArrowBatches.write`; one block of records for each batch.

    Raises
    ------
    ValueError
        The bytes are not such a file.
    """
    try:
        reader = pyarrow.ipc.open_file(pyarrow.BufferReader(data))
        if reader.schema != _schema(len(reader.schema) - 1, key_type):
            raise ValueError("its columns are not key, x0, x1, ...")
        batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
    except (pyarrow.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error
    if sum(batch.nbytes for batch in batches) > len(data):
        raise ValueError("it is compressed")
    for batch in batches:
        batch.validate(full=True)
        if any(column.null_count for column in batch.columns):
            raise ValueError("a value is missing")
    return [to_records(batch.columns, key_type) for batch in batches]


def _key_column(keys: Keys) -> pyarrow.Array:
    if keys.dtype != object:
        return to_arrow(keys)
    return to_arrow_bytes([key.encode() for key in keys.tolist()], _KEY_TYPES[str])


def _schema(width: int, key_type: KeyType) -> pyarrow.Schema:
    fields = [("key", _KEY_TYPES[key_type]), *((f"x{i}", pyarrow.float64()) for i in range(width))]
    return pyarrow.schema([pyarrow.field(*field, nullable=False) for field in fields])
