"""Results of many numbers as .npy files: nothing is lost, NumPy reads them, nothing corrupt gets through."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model import RecordFormat, Records
from common.records import decode, encode, encode_results
from common.records.npy import ArrayFile
from tests.common.records.samples import MANY, POSITIONS, SMALL, make, make_words, same


def written(records: Records, positions: list[int] | None = None) -> bytes:
    out = io.BytesIO()
    ArrayFile(records).write(out, None if positions is None else np.array(positions, np.int64))
    return out.getvalue()


def read(content: bytes, kind: RecordFormat = RecordFormat.TEXT) -> Records:
    return Records.concatenate(decode(content, kind))


WIDE = written(make([3, 1], [[1.5, -0.0], [5e-324, 2.0]]))
CORRUPT = {
    "magic alone": WIDE[:6],
    "cut off": WIDE[:-1],
    "longer": WIDE + b"\0",
    "other version": WIDE[:6] + b"\2" + WIDE[7:],
    "more records": WIDE.replace(b"'shape': (2,)", b"'shape': (3,)"),
    "narrower": WIDE.replace(b"'<f8', (2,)", b"'<f8', (1,)"),
    "other numbers": WIDE.replace(b"'<f8'", b"'<f4'"),
    "other order": WIDE.replace(b"False", b"True "),
    "negative key": WIDE.replace(b"\3\0\0\0", b"\xff\xff\xff\xff"),
    "objects": WIDE.replace(b"'<i4'", b"'|O' "),
}


@pytest.mark.parametrize(("keys", "values"), MANY.values(), ids=MANY)
def test_nothing_is_lost(keys: list[int], values: list[list[float]]) -> None:
    assert same(read(written(make(keys, values))), make(keys, values))


@pytest.mark.parametrize("positions", POSITIONS.values(), ids=POSITIONS)
def test_writes_records_by_position(positions: list[int]) -> None:
    whole = make(*SMALL)
    assert same(read(written(whole, positions)), Records(whole.keys[positions], whole.values[positions]))


def test_numpy_reads_it() -> None:
    found = np.load(io.BytesIO(WIDE), allow_pickle=False)
    assert found["key"].tolist() == [3, 1]
    assert found["values"].tolist() == [[1.5, -0.0], [5e-324, 2.0]]


def test_results_of_many_numbers_are_arrays_whatever_the_user_asks_for() -> None:
    large = make([1] * 50, [[1.0] * 10] * 50)
    small = make([1] * 50, [[1.0] * 9] * 50)
    for kind in RecordFormat:
        assert encode_results(large, kind).suffix == ".npy"
        assert encode_results(small, kind).suffix == encode(small, kind).suffix != ".npy"
    words = make_words(["a"] * 50, [[1.0] * 10] * 50)
    assert encode_results(words, RecordFormat.TEXT).suffix == ".txt"


@pytest.mark.parametrize("kind", RecordFormat)
def test_first_bytes_tell_an_array_from_what_was_asked_for(kind: RecordFormat) -> None:
    whole, out = make(*SMALL), io.BytesIO()
    encode(whole, kind).write(out)
    assert same(read(out.getvalue(), kind), whole)
    assert same(read(written(whole), kind), whole)


def test_a_word_may_be_the_first_bytes_of_another_format() -> None:
    (records,) = decode(b"ARROW1,2\nARROW1\0\0,1\n", RecordFormat.TEXT, str)
    assert records.keys.tolist() == ["ARROW1", "ARROW1\0\0"]


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_what_no_encoder_writes_is_refused(content: bytes) -> None:
    assert content != WIDE
    with pytest.raises(ValueError):  # noqa: PT011  # that it is refused matters
        decode(content, RecordFormat.TEXT)


def test_an_array_has_no_words() -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # that it is refused matters
        decode(WIDE, RecordFormat.TEXT, str)


@settings(max_examples=200)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_as_records(data: st.DataObject) -> None:
    """No checksum here: what gets through must at least be whole records of the right types."""
    content = bytearray(WIDE)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        records = read(bytes(content))
    except ValueError:
        return
    assert records.keys.dtype == np.int32
    assert records.values.dtype == np.float64
    assert len(records.keys) == len(records.values)
    assert records.keys.min(initial=0) >= 0
