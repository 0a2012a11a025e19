"""Records as text: nothing is lost, on both paths, and corrupt text is refused."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common import records
from common.model import FloatArray, IntArray, Records
from common.records import (
    Lines,
    LongLines,
    ShortLines,
    checksum,
    decode,
    encode,
    encode_values,
    encode_vectors,
    line_offsets,
    prefix_keys,
)

PATHS = {"python": (20_000, 1 << 19), "pyarrow": (0, 0)}
"""SHORT_LINES and _SHORT_BYTES."""

INFINITY = float("inf")
MANY: dict[str, tuple[Sequence[int], Sequence[Sequence[float]]]] = {
    "one": ([0], [[1.5]]),
    "wide": ([3, 1, 2], [[1.0, -2.5, 3e10], [0.1, 0.2, 0.3], [1 / 3, 2 / 3, 1e-7]]),
    "special": ([0, 2**31 - 1], [[5e-324, 1e308, -0.0], [1.7976931348623157e308, -5e-324, 0.0]]),
    "integers": ([1, 1, 1], [[1.0], [2.0**53], [-1e22]]),
    "infinite": ([7, 7], [[INFINITY], [-INFINITY]]),
    "no_value": ([4, 0, 4], [[], [], []]),
}
CORRUPT = {
    "text_key": b"a,1\n",
    "text_value": b"1,a\n",
    "no_key": b",1\n",
    "empty_value": b"1,\n",
    "fraction_key": b"1.5,2\n",
    "too_few": b"1,2\n2\n",
    "too_many": b"1,2\n2,3,4\n",
    "quoted": b'"1",2\n',
    "blank_first": b"\n1,2\n",
    "spaces": b"1,2\n  \n",
    "nul": b"1,2\n\x00",
    "not_utf8": b"\xff\xfe,1\n",
    "broken_line": b"1,2\v2,3\n",
}


@contextmanager
def using(path: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "SHORT_LINES", PATHS[path][0])
        patch.setattr(records, "_SHORT_BYTES", PATHS[path][1])
        yield


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with using(request.param):
        yield request.param


def make(keys: Sequence[int], values: Sequence[Sequence[float]]) -> Records:
    return Records(np.array(keys, np.int32), np.array(values, np.float64).reshape(len(keys), -1))


def same(one: Records, other: Records) -> bool:
    """Tell whether keys and values are the same bit by bit, in type and shape too."""
    return _bits(one.keys) == _bits(other.keys) and _bits(one.values) == _bits(other.values)


def _bits(array: IntArray | FloatArray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()


def text(lines: Lines) -> bytes:
    return bytes(lines.joined())


@pytest.mark.parametrize(("keys", "values"), MANY.values(), ids=MANY)
def test_decode_undoes_encode(path: str, keys: Sequence[int], values: Sequence[Sequence[float]]) -> None:
    written = encode(make(keys, values))
    assert isinstance(written, ShortLines if path == "python" else LongLines)
    assert same(decode(written.joined()), make(keys, values))


@pytest.mark.parametrize("writer", PATHS)
@pytest.mark.parametrize("reader", PATHS)
def test_each_path_reads_the_other(writer: str, reader: str) -> None:
    with using(writer):
        written = text(encode(make(*MANY["special"])))
    with using(reader):
        assert same(decode(written), make(*MANY["special"]))


@settings(deadline=None, max_examples=150)
@given(data=st.data(), path=st.sampled_from(list(PATHS)))
def test_decode_undoes_encode_of_anything(data: st.DataObject, path: str) -> None:
    numbers = st.floats(allow_nan=False)
    values = data.draw(arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=numbers))
    keys = data.draw(arrays(np.int32, len(values), elements=st.integers(0, 2**31 - 1)))
    with using(path):
        assert same(decode(encode(Records(keys, values)).joined()), Records(keys, values))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("width", [0, 3])
def test_no_record_is_no_text(width: int) -> None:
    assert text(encode(Records(np.empty(0, np.int32), np.empty((0, width))))) == b""
    assert same(decode(b""), Records.empty())


def test_lines_are_keys_and_values_with_commas() -> None:
    assert text(encode(make([2, 0], [[1.5, -0.0], [5e-324, 3.0]]))) == b"2,1.5,-0.0\n0,5e-324,3.0\n"
    assert text(encode(make([2, 0], [[], []]))) == b"2\n0\n"


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    "order", [[], [2], [0, 1, 2], [2, 1, 0], [1, 1, 0]], ids=["none", "one", "all", "reversed", "twice"]
)
def test_takes_lines_in_any_order(order: list[int]) -> None:
    whole = make([5, 6, 7], [[1.5, 2], [3, 4.25], [-0.0, 6]])
    taken = encode(whole).take(np.array(order, np.int64))
    assert decode(taken.joined()).keys.tolist() == whole.keys[order].tolist()
    assert decode(taken.joined()).values.tolist() == whole.values[order].tolist()
    again = taken.take(np.arange(len(order), dtype=np.int64))
    assert text(again) == text(taken)


def test_takes_lines_of_a_slice() -> None:
    lines = LongLines.of(b"a\nbb\nccc\n", line_offsets(b"a\nbb\nccc\n"))
    assert text(LongLines(lines.array.slice(1, 2))) == b"bb\nccc\n"
    assert text(LongLines(lines.array.slice(1, 2)).take(np.array([1, 0]))) == b"ccc\nbb\n"


@pytest.mark.parametrize("name", ["one", "wide", "special", "integers", "infinite"])
def test_keys_before_ready_lines_are_the_same_as_encoded(name: str) -> None:
    whole = make(*MANY[name])
    if name == "special":
        whole.keys[:] = [0, 12]  # a prefix is made for every key up to the largest
    ready = encode_values(whole.values)
    lines = prefix_keys(whole.keys, LongLines.of(ready, line_offsets(ready)))
    assert same(decode(lines.joined()), whole)
    order = np.arange(len(whole))[::-1]
    assert same(decode(lines.take(order).joined()), Records(whole.keys[order], whole.values[order]))


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_corrupt_text_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is whatever the parser says
        decode(content)


@pytest.mark.parametrize("key", [b"2147483648", b"-2147483649", b"99999999999999999999"])
def test_keys_beyond_int32_are_refused_by_python(key: bytes) -> None:
    with using("python"), pytest.raises(ValueError):  # noqa: PT011
        decode(key + b",1\n")


@pytest.mark.parametrize("content", [b"\n", b"1,2\n\n2,3\n", b"\xef\xbb\xbf1,2\n"])
def test_what_python_refuses_is_refused_by_pyarrow(content: bytes) -> None:
    with using("pyarrow"), pytest.raises(ValueError):  # noqa: PT011
        decode(content)


@pytest.mark.parametrize(
    ("content", "offsets"),
    [(b"", [0]), (b"\n", [0, 1]), (b"ab\nc\n", [0, 3, 5])],
    ids=["none", "blank", "two"],
)
def test_line_offsets(content: bytes, offsets: list[int]) -> None:
    assert line_offsets(content).tolist() == offsets


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        (np.array([[1.0, -0.5], [5e-324, 1e308]]), b"1.0,-0.5\n5e-324,1e+308\n"),
        (np.array([[2.0]]), b"2.0\n"),
        (np.empty((0, 2)), b""),
    ],
    ids=["two", "one", "none"],
)
def test_vectors_are_lines_without_keys(vectors: FloatArray, expected: bytes) -> None:
    assert encode_vectors(vectors) == expected


def test_checksum_is_crc32() -> None:
    assert checksum(b"123456789") == 0xCBF43926
    assert checksum(memoryview(b"")) == 0
