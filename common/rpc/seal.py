"""A checksum at the end of each message, taken by its sender and held against it by its receiver.

TCP's own checksum misses one damaged packet in some ten thousand, and a gRPC message with a flipped bit
parses well: without TLS it would arrive as another message. A sealed message ends in a field
`fixed32 checksum = 15`, the CRC-32 of all bytes before it; to a parser that knows nothing of it, an
unknown field like others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeVar

from google.protobuf.message import DecodeError, Message

from common.records import checksum

_FIELD: Final = 15 << 3 | 5
"""How protobuf announces field 15 with a value of four bytes."""
_SEAL = Struct("<BI")

_DATA: Final = 1 << 3 | 2
"""How protobuf announces field 1 with a value of some bytes."""

_Message = TypeVar("_Message", bound=Message)


def seal(message: bytes) -> bytes:
    """Return the message with its checksum."""
    return message + _SEAL.pack(_FIELD, checksum(message))


def _end_of(sealed: bytes) -> int | None:
    """Return where the checksum's field begins; None if the message did not arrive as it was sealed."""
    end = len(sealed) - _SEAL.size
    if end < 0 or _SEAL.unpack_from(sealed, end) != (_FIELD, checksum(memoryview(sealed)[:end])):
        return None
    return end


def unseal(sealed: bytes, parse: Callable[[bytes], _Message]) -> _Message | None:
    """Parse a sealed message; None if it did not arrive as it was sealed, or is no such message."""
    if _end_of(sealed) is None:
        return None
    try:
        message = parse(sealed)
    except DecodeError:
        return None
    message.DiscardUnknownFields()  # the checksum
    return message


@dataclass(frozen=True, slots=True)
class Chunk:
    """A message that is `bytes data = 1` and nothing else, as every answer of a stream; never empty.

    It is sealed and parsed here, byte for byte as protobuf would: the copies that protobuf makes of the
    data cost more than the checksum.
    """

    data: bytes | memoryview

    def seal(self) -> bytes:
        """Return the message with its checksum."""
        head = _head(len(self.data))
        return b"".join((head, self.data, _SEAL.pack(_FIELD, checksum(self.data, checksum(head)))))

    @classmethod
    def unseal(cls, sealed: bytes) -> "Chunk | None":
        """Undo `seal`; None if the message did not arrive as it was sealed, or is no such message."""
        end = _end_of(sealed)
        if end is None:
            return None
        start = 2
        while start < end and sealed[start - 1] > 0x7F:
            start += 1
        if sealed[:start] != _head(end - start):
            return None
        return cls(memoryview(sealed)[start:end])


def _head(size_bytes: int) -> bytes:
    """Encode what comes before so many bytes of data: the field, and their number, seven bits a byte."""
    parts = [_DATA]
    while size_bytes > 0x7F:
        parts.append(size_bytes & 0x7F | 0x80)
        size_bytes >>= 7
    return bytes([*parts, max(size_bytes, 0)])
