"""Records as the bytes of intermediate files, and back again without any loss: one module a format."""

from isal.isal_zlib import crc32

from common.model import Buffer, FloatArray, KeyType, RecordFormat, Records
from common.records import npy, text
from common.records.base import Encoder

_MANY_NUMBERS = 500
"""Text of so many takes longer to write than a file takes in all: about a millisecond."""


def encode_results(results: Records, kind: RecordFormat) -> Encoder:
    """Prepare results, not the input's rows, to be written: many numbers as they are in memory."""
    if results.keys.dtype == object or results.values.size < _MANY_NUMBERS:
        return encode(results, kind)
    return npy.ArrayFile(results)


def encode(records: Records, kind: RecordFormat) -> Encoder:
    """Prepare records to be written; they must not change meanwhile.

    Values in float32 are written as float64. Fewer rows of values than keys count as repeated:
    record i has row i % rows.
    """
    if kind is RecordFormat.ARROW:
        from common.records.arrow import ArrowBatches  # takes a while to import

        return ArrowBatches(records)
    return text.encode(records)


def decode(data: Buffer, kind: RecordFormat, key_type: KeyType = int) -> list[Records]:
    """Read a file that an encoder has written, as blocks of records that follow each other.

    `kind` is what was asked for: the first bytes tell whether it is an array all the same. `key_type` is that
    of its keys; text does not tell it.

    Raises
    ------
    ValueError
        The bytes are not what an encoder writes.
    """
    if key_type is int and data[: len(npy.MAGIC)] == npy.MAGIC:
        return [npy.decode(data)]
    if kind is RecordFormat.ARROW:
        from common.records.arrow import decode_batches

        return decode_batches(data, key_type)
    return [text.decode(data, key_type)]


def encode_vectors(vectors: FloatArray) -> bytes:
    """Write vectors, shape (n, d), one a line; the form of centroids.txt."""
    return "".join([f"{','.join(map(repr, row))}\n" for row in vectors.tolist()]).encode()


def checksum(data: Buffer, before: int = 0) -> int:
    """Return the bytes' CRC-32; `before` is that of the bytes they follow."""
    return crc32(data, before)
