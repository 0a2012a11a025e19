"""A checksum at the end of each message, taken by its sender and held against it by its receiver.

TCP's own checksum misses one damaged packet in some ten thousand, and a gRPC message with a flipped bit
parses well: without TLS it would arrive as another message. A sealed message ends in a field
`fixed32 checksum = 15`, the CRC-32 of all bytes before it; to a parser that knows nothing of it, an
unknown field like others.
"""

from collections.abc import Callable
from struct import Struct
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from common.records import checksum

_FIELD: Final = 15 << 3 | 5
"""How protobuf announces field 15 with a value of four bytes."""
_SEAL = Struct("<BI")

_Message = TypeVar("_Message", bound=Message)


def seal(message: bytes) -> bytes:
    """Return the message with its checksum."""
    return message + _SEAL.pack(_FIELD, checksum(message))


def unseal(sealed: bytes, parse: Callable[[bytes], _Message]) -> _Message | None:
    """Parse a sealed message; None if it did not arrive as it was sealed, or is no such message."""
    end = len(sealed) - _SEAL.size
    if end < 0 or _SEAL.unpack_from(sealed, end) != (_FIELD, checksum(memoryview(sealed)[:end])):
        return None
    try:
        message = parse(sealed)
    except DecodeError:
        return None
    message.DiscardUnknownFields()  # the checksum
    return message
