"""gRPC knows our options, and a file that arrives damaged is seen."""

from pathlib import Path

import pytest
from grpc._cython import cygrpc  # type: ignore[attr-defined]
from hypothesis import given
from hypothesis import strategies as st

from common.model import CommittedFile
from common.records import checksum
from common.rpc.channels import CHANNEL_OPTIONS, read_stream
from common.rpc.server import SERVER_OPTIONS
from common.rpc.statuses import DamagedFileError
from protos import mapreduce_pb2 as pb


def test_grpc_knows_every_option() -> None:
    """It ignores one that it doesn't know, and then cuts long calls off, say, for their pings."""
    known = Path(cygrpc.__file__).read_bytes()
    options = [name for name, _ in CHANNEL_OPTIONS + SERVER_OPTIONS if name.startswith("grpc.")]
    assert [name for name in options if name.encode() not in known] == []


def chunks(data: bytes) -> list[pb.FetchPartitionResponse]:
    return [pb.FetchPartitionResponse(data=data[i : i + 7]) for i in range(0, len(data), 7)]


def vouched(data: bytes) -> CommittedFile:
    return CommittedFile(len(data), 1, checksum(data))


@given(st.binary(max_size=50))
def test_a_file_comes_in_chunks(data: bytes) -> None:
    assert read_stream(chunks(data), vouched(data)) == data


@given(st.binary(min_size=1, max_size=50), st.data())
def test_a_flipped_bit_is_seen(data: bytes, draw: st.DataObject) -> None:
    bit = draw.draw(st.integers(0, len(data) * 8 - 1))
    other = bytearray(data)
    other[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DamagedFileError):
        read_stream(chunks(bytes(other)), vouched(data))


@pytest.mark.parametrize("other", [b"", b"0123456", b"0123456789x"], ids=["nothing", "cut", "longer"])
def test_a_file_of_another_size_is_seen(other: bytes) -> None:
    with pytest.raises(DamagedFileError):
        read_stream(chunks(other), vouched(b"0123456789"))


def test_no_more_is_read_than_the_file_has() -> None:
    endless = iter(chunks(bytes(7 * 100)))
    with pytest.raises(DamagedFileError):
        read_stream(endless, vouched(bytes(10)))
    assert len(list(endless)) == 98
