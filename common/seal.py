"""A checksum at the end of each message, taken by its sender and held against it by its receiver.

TCP's own checksum misses one damaged packet in some ten thousand, and a gRPC message with a flipped bit
parses well: without TLS it would arrive as another message. A sealed message ends in a field
`fixed32 checksum = 15`, the CRC-32 of all bytes before it; to a parser that knows nothing of it, an
unknown field like others.
"""

from struct import Struct
from typing import Final

from common.records import checksum

_FIELD: Final = 15 << 3 | 5
"""How protobuf announces field 15 with a value of four bytes."""
_SEAL = Struct("<BI")


def seal(message: bytes) -> bytes:
    """Return the message with its checksum."""
    return message + _SEAL.pack(_FIELD, checksum(message))


def is_whole(sealed: bytes) -> bool:
    """Tell whether a message arrived with its checksum, and as it was sealed."""
    end = len(sealed) - _SEAL.size
    if end < 0:
        return False
    return _SEAL.unpack_from(sealed, end) == (_FIELD, checksum(memoryview(sealed)[:end]))
