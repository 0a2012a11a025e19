"""The partitioner: which reduce task gets a key."""

import zlib

from common.model import Key


def partition_of(key: Key, partitions: int) -> int:
    """Return the partition of a key, from 0: the same on every machine, in every process.

    It is the key modulo the number of partitions; of a string, the CRC-32 of its UTF-8 bytes. Python's
    own hash of a string differs from process to process.
    """
    return (key if isinstance(key, int) else zlib.crc32(key.encode())) % partitions
