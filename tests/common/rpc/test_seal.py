"""A sealed message is protobuf to any parser, and no damage goes unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.rpc.seal import Chunk, seal, unseal
from protos import mapreduce_pb2 as pb

SIZES = [1, 127, 128, 16383, 16384, 1 << 18, 1 << 21]
STREAMED = [
    method.output_type
    for service in pb.DESCRIPTOR.services_by_name.values()
    for method in service.methods
    if method.server_streaming
]


def test_a_message_that_comes_back_is_the_same() -> None:
    message = pb.LogRequest(lines=["a", "ä"])
    sealed = seal(message.SerializeToString())
    assert unseal(sealed, pb.LogRequest.FromString) == message
    assert pb.LogRequest.FromString(sealed).lines == message.lines


def test_what_is_sealed_but_no_such_message_is_refused() -> None:
    assert unseal(seal(b"\xff"), pb.LogRequest.FromString) is None


@pytest.mark.parametrize("size", SIZES)
def test_a_chunk_is_what_protobuf_would_make_of_it(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    sealed = Chunk(data).seal()
    assert sealed == seal(pb.FetchPartitionResponse(data=data).SerializeToString())
    chunk = Chunk.unseal(sealed)
    assert chunk is not None
    assert bytes(chunk.data) == data


def test_every_answer_of_a_stream_is_a_chunk() -> None:
    assert STREAMED
    for message in STREAMED:
        assert [(field.name, field.number, field.type) for field in message.fields] == [("data", 1, 12)]


def test_no_request_or_response_takes_the_field_of_the_checksum() -> None:
    for service in pb.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            for message in (method.input_type, method.output_type):
                assert 15 not in message.fields_by_number


@given(st.binary(max_size=300), st.data())
def test_a_flipped_bit_is_seen(data: bytes, draw: st.DataObject) -> None:
    sealed = bytearray(seal(pb.FetchPartitionResponse(data=data).SerializeToString()))
    bit = draw.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    assert unseal(bytes(sealed), pb.FetchPartitionResponse.FromString) is None
    assert Chunk.unseal(bytes(sealed)) is None


@given(st.binary(max_size=40))
def test_bytes_of_any_kind_are_refused_or_parsed(data: bytes) -> None:
    for message in (data, seal(data)):
        unseal(message, pb.MapRequest.FromString)
        Chunk.unseal(message)
