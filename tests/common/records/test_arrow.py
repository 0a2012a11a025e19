"""Records as Arrow IPC files: nothing is lost, others read them, and nothing corrupt gets through."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model import RecordFormat, Records
from common.records import base, decode, encode
from tests.common.records.samples import MANY, POSITIONS, RECORDS, SMALL, WORD_RECORDS, make, make_words, same

KEY = pyarrow.field("key", pyarrow.int32(), nullable=False)
X0 = pyarrow.field("x0", pyarrow.float64(), nullable=False)


def written(records: Records, positions: list[int] | None = None) -> bytes:
    out = io.BytesIO()
    at = None if positions is None else np.array(positions, np.int64)
    encode(records, RecordFormat.ARROW).write(out, at)
    return out.getvalue()


def read(content: bytes) -> Records:
    blocks = decode(content, RecordFormat.ARROW)
    return Records.concatenate(blocks)


def ipc_file(
    columns: Sequence[Any],
    fields: Sequence[pyarrow.Field],
    options: pyarrow.ipc.IpcWriteOptions | None = None,
) -> bytes:
    out = io.BytesIO()
    schema = pyarrow.schema(fields)
    with pyarrow.ipc.new_file(out, schema, options=options) as writer:
        arrays = [pyarrow.array(column, field.type) for column, field in zip(columns, fields, strict=True)]
        writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
    return out.getvalue()


CORRUPT = {
    "text": b"1,2\n",
    "nothing": b"",
    "magic_alone": b"ARROW1\0\0",
    "stream": bytes(pyarrow.schema([KEY]).serialize()),
    "no_column": ipc_file([], []),
    "wide_key": ipc_file([[1]], [KEY.with_type(pyarrow.int64())]),
    "other_name": ipc_file([[1]], [KEY.with_name("k")]),
    "key_last": ipc_file([[1.0], [1]], [X0, KEY]),
    "narrow_value": ipc_file([[1], [1.0]], [KEY, X0.with_type(pyarrow.float32())]),
    "text_value": ipc_file([[1], ["1"]], [KEY, X0.with_type(pyarrow.string())]),
    "nullable": ipc_file([[1], [1.0]], [KEY, X0.with_nullable(True)]),
    "null_value": ipc_file([[1], [None]], [KEY, X0]),
    "null_key": ipc_file([[None], [1.0]], [KEY, X0]),
    "negative_key": ipc_file([[-1], [1.0]], [KEY, X0]),
    "compressed": ipc_file(
        [[1] * 99, [1.0] * 99], [KEY, X0], pyarrow.ipc.IpcWriteOptions(compression="zstd")
    ),
}


@pytest.mark.parametrize(("keys", "values"), MANY.values(), ids=MANY)
def test_decode_undoes_encode(keys: Sequence[int], values: Sequence[Sequence[float]]) -> None:
    assert same(read(written(make(keys, values))), make(keys, values))


@given(whole=RECORDS)
def test_decode_undoes_encode_of_anything(whole: Records) -> None:
    assert same(read(written(whole)), whole)


@given(whole=WORD_RECORDS)
def test_decode_undoes_encode_of_any_words(whole: Records) -> None:
    assert same(Records.concatenate(decode(written(whole), RecordFormat.ARROW, str)), whole)


def test_words_are_strings_to_other_programs() -> None:
    words = ["a", "", "é", "𝄞,", '"\n']
    table = pyarrow.feather.read_table(io.BytesIO(written(make_words(words, [[1.0]] * 5))))
    assert table.to_pydict() == {"key": words, "x0": [1.0] * 5}


@pytest.mark.parametrize("key_type", [int, str])
def test_no_record_is_a_file_of_its_kind_of_keys(key_type: type[int] | type[str]) -> None:
    content = written(Records.empty(key_type))
    assert decode(content, RecordFormat.ARROW, key_type) == []
    with pytest.raises(ValueError, match="its columns are not"):
        decode(content, RecordFormat.ARROW, str if key_type is int else int)


def test_words_that_are_no_utf8_are_refused() -> None:
    content = written(make_words(["abcdefgh" * 8], [[1.0]])).replace(b"abcdefgh", b"abc\xff\xfe\xfdgh")
    with pytest.raises(ValueError):  # noqa: PT011  # the text is whatever Arrow says
        decode(content, RecordFormat.ARROW, str)


@pytest.mark.parametrize("positions", POSITIONS.values(), ids=POSITIONS)
def test_writes_records_by_position_in_blocks(monkeypatch: pytest.MonkeyPatch, positions: list[int]) -> None:
    whole = make(*SMALL)
    expected = Records(whole.keys[positions], whole.values[positions]) if positions else Records.empty()
    assert same(read(written(whole, positions)), expected)
    monkeypatch.setattr(base, "_BLOCK_RECORDS", 2)
    blocks = decode(written(whole, positions), RecordFormat.ARROW)
    assert [len(block) for block in blocks] == [
        len(positions[i : i + 2]) for i in range(0, len(positions), 2)
    ]
    assert same(Records.concatenate(blocks), expected)
    assert same(read(written(whole)), whole)


def test_fewer_rows_than_keys_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, rows = SMALL
    whole = make([*keys, 1, 2, 3], [*rows, *rows])
    short = Records(whole.keys, whole.values[: len(rows)])
    monkeypatch.setattr(base, "_BLOCK_RECORDS", 4)
    assert written(short) == written(whole)
    assert written(short, [5, 0, 3, 3, 2]) == written(whole, [5, 0, 3, 3, 2])


def test_rows_in_any_memory_layout() -> None:
    whole = make(*SMALL)
    values = np.asfortranarray(whole.values)
    values.flags.writeable = False
    assert written(Records(whole.keys, values)) == written(whole)


def test_other_programs_read_it() -> None:
    keys, values = MANY["wide"]
    table = pyarrow.feather.read_table(io.BytesIO(written(make(keys, values))))
    expected = {"key": list(keys)} | {f"x{i}": [row[i] for row in values] for i in range(3)}
    assert table.to_pydict() == expected
    with pyarrow.ipc.open_file(io.BytesIO(written(make(keys, values)))) as file:
        assert file.read_all() == table


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_what_no_encoder_writes_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is whatever Arrow says
        decode(content, RecordFormat.ARROW)


@settings(max_examples=500)
@given(data=st.data())
def test_damaged_bytes_are_refused_or_read_as_records(data: st.DataObject) -> None:
    """No checksum here: what gets through must at least be whole records of the right types."""
    content = bytearray(written(make(*MANY["wide"])))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    stop = data.draw(st.sampled_from([len(content), data.draw(st.integers(0, len(content)))]))
    try:
        blocks = decode(bytes(content[:stop]), RecordFormat.ARROW)
    except ValueError:
        return
    for block in blocks:
        assert (block.keys.dtype.str, block.values.dtype.str) == ("<i4", "<f8")
        assert block.values.shape[0] == len(block) <= stop
        assert (block.keys >= 0).all()
