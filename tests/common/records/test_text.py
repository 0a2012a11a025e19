"""Records as text: nothing is lost, on both paths, and corrupt text is refused."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.model import FloatArray, Records, as_keys
from common.records import base, checksum, encode_vectors, text
from common.records.base import Encoder
from common.records.text import LongLines, ShortLines, decode, encode, write_values
from tests.common.records.samples import (
    INFINITY,
    MANY,
    POSITIONS,
    RECORDS,
    SMALL,
    WORD_RECORDS,
    make,
    make_words,
    same,
)

PATHS = {"short": (20_000, 1 << 19), "long": (0, 0)}
"""SHORT_LINES and _SHORT_BYTES."""

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
        patch.setattr(text, "SHORT_LINES", PATHS[path][0])
        patch.setattr(text, "_SHORT_BYTES", PATHS[path][1])
        yield


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> Iterator[str]:
    with using(request.param):
        yield request.param


def written(lines: Encoder, positions: list[int] | None = None) -> bytes:
    out = io.BytesIO()
    lines.write(out, None if positions is None else np.array(positions, np.int64))
    return out.getvalue()


@pytest.mark.parametrize(("keys", "values"), MANY.values(), ids=MANY)
def test_decode_undoes_encode(path: str, keys: Sequence[int], values: Sequence[Sequence[float]]) -> None:
    lines = encode(make(keys, values))
    assert isinstance(lines, ShortLines if path == "short" else LongLines)
    assert same(decode(written(lines)), make(keys, values))


@pytest.mark.usefixtures("path")
def test_numbers_in_float32_are_written_as_float64() -> None:
    """With all their digits: fewer name the same float32, but another float64."""
    single = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    whole = Records(np.arange(50, dtype=np.int32), single)  # type: ignore[arg-type]
    assert np.array_equal(decode(written(encode(whole))).values, single.astype(np.float64))


@pytest.mark.parametrize("writer", PATHS)
@pytest.mark.parametrize("reader", PATHS)
def test_each_path_reads_the_other(writer: str, reader: str) -> None:
    with using(writer):
        content = written(encode(make(*MANY["special"])))
    with using(reader):
        assert same(decode(content), make(*MANY["special"]))


@settings(max_examples=150)
@given(data=st.data(), path=st.sampled_from(list(PATHS)))
def test_decode_undoes_encode_of_anything(data: st.DataObject, path: str) -> None:
    whole = data.draw(RECORDS)
    with using(path):
        assert same(decode(written(encode(whole))), whole)


@settings(max_examples=300)
@given(whole=WORD_RECORDS, writer=st.sampled_from(list(PATHS)), reader=st.sampled_from(list(PATHS)))
def test_decode_undoes_encode_of_any_words(whole: Records, writer: str, reader: str) -> None:
    with using(writer):
        content = written(encode(whole))
    with using(reader):
        assert same(decode(content, str), whole)


@settings(max_examples=200)
@given(whole=WORD_RECORDS)
def test_other_programs_read_words(whole: Records) -> None:
    """As CSV (RFC 4180), here by the standard library."""
    rows = list(csv.reader(io.StringIO(written(encode(whole)).decode(), newline=""), strict=True))
    assert [row[0] for row in rows] == whole.keys.tolist()
    assert [[float(field) for field in row[1:]] for row in rows] == whole.values.tolist()


@pytest.mark.usefixtures("path")
def test_words_are_quoted_where_they_must_be() -> None:
    words = ["a", "a b", "a,b", 'a"b', "a\nb", "\r", "", "é", "\ufeffa"]
    lines = ["a,1", "a b,1", '"a,b",1', '"a""b",1', '"a\nb",1', '"\r",1', '"",1', "é,1", '"\ufeffa",1']
    assert written(encode(make_words(words, [[1.0]] * 9))).decode().split(",1\n") == [
        *(line.removesuffix(",1") for line in lines),
        "",
    ]


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize(
    "content",
    [
        *(b",1\n", b"a,x\n", b"a,1\nb,1,2\n", b"a,1\nb\n", b"a,1", b'"a,1\n', b'a"b,1\n', b"\xff,1\n"),
        *(b'"a"b,1\n', b"\n", b"a,\n"),
    ],
)
def test_what_are_no_lines_of_words_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is whatever the parser says
        decode(content, str)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("width", [0, 3])
def test_no_record_is_no_text(width: int) -> None:
    assert written(encode(Records(np.empty(0, np.int32), np.empty((0, width))))) == b""
    assert same(decode(b""), Records.empty())
    assert written(encode(Records(as_keys([], str), np.empty((0, width))))) == b""
    assert same(decode(b"", str), Records.empty(str))


@pytest.mark.usefixtures("path")
def test_integers_are_written_as_such_if_all_numbers_are() -> None:
    assert written(encode(make([2, 0], [[2.0**53, -3.0], [0.0, 7.0]]))) == b"2,9007199254740992,-3\n0,0,7\n"
    for other in (0.5, -0.0, 2.0**53 + 2, INFINITY):
        records = make([2, 0], [[4.0, other], [0.0, 7.0]])
        assert same(decode(written(encode(records))), records)


@pytest.mark.parametrize("content", [b"1,2,3\n2,3\n4,5,6,7\n", b"1,2\n2,3", b"1,2\r2,3\n", b"1e2,3\n"])
def test_what_are_no_lines_of_numbers_is_refused(content: bytes) -> None:
    with using("long"), pytest.raises(ValueError):  # noqa: PT011
        decode(content)


def test_lines_are_keys_and_values_with_commas() -> None:
    assert written(encode(make([2, 0], [[1.5, -0.0], [5e-324, 3.0]]))) == b"2,1.5,-0.0\n0,5e-324,3.0\n"
    assert written(encode(make([2, 0], [[], []]))) == b"2\n0\n"


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("positions", POSITIONS.values(), ids=POSITIONS)
def test_writes_records_by_position(positions: list[int]) -> None:
    content = written(encode(make(*SMALL)), positions)
    lines = ["5,1.5,2", "6,3,4.25", "7,-0,6"]
    whole = content.decode().replace(".0,", ",").replace(".0\n", "\n")
    assert whole == "".join(f"{lines[i]}\n" for i in positions)


@pytest.mark.parametrize("positions", POSITIONS.values(), ids=POSITIONS)
def test_blocks_follow_each_other(monkeypatch: pytest.MonkeyPatch, positions: list[int]) -> None:
    with using("long"):
        whole = encode(make(*SMALL))
        expected = written(whole), written(whole, positions)
        monkeypatch.setattr(text, "_BLOCK_NUMBERS", 4)
        monkeypatch.setattr(base, "_BLOCK_RECORDS", 2)
        blocks = encode(make(*SMALL))
        assert (written(blocks), written(blocks, positions)) == expected


@pytest.mark.usefixtures("path")
def test_fewer_rows_than_keys_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, rows = SMALL
    whole = make([*keys, 1, 2, 3], [*rows, *rows])
    short = Records(whole.keys, whole.values[: len(rows)])
    monkeypatch.setattr(base, "_BLOCK_RECORDS", 4)
    assert written(encode(short)) == written(encode(whole))
    assert written(encode(short), [5, 0, 3, 3, 2]) == written(encode(whole), [5, 0, 3, 3, 2])


@pytest.mark.parametrize("name", MANY)
def test_ready_values_are_the_same_as_encoded(name: str) -> None:
    whole = make(*MANY[name])
    values, starts = io.BytesIO(), io.BytesIO()
    write_values(whole.values, values, starts)
    lines = LongLines(whole, values.getvalue(), np.frombuffer(starts.getvalue(), np.int64))
    with using("long"):
        assert written(lines) == written(encode(whole))
    assert same(decode(written(lines)), whole)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_corrupt_text_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # the text is whatever the parser says
        decode(content)


@pytest.mark.parametrize("key", [b"2147483648", b"-2147483649", b"99999999999999999999"])
def test_keys_beyond_int32_are_refused_by_python(key: bytes) -> None:
    with using("short"), pytest.raises(ValueError):  # noqa: PT011
        decode(key + b",1\n")


@pytest.mark.parametrize("content", [b"\n", b"1,2\n\n2,3\n", b"\xef\xbb\xbf1,2\n"])
def test_what_python_refuses_is_refused_by_pyarrow(content: bytes) -> None:
    with using("long"), pytest.raises(ValueError):  # noqa: PT011
        decode(content)


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


def test_rows_to_print_are_the_same_numbers_if_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.array([[1.0, -0.5, 1 / 3], [5e-324, -0.0, 1e308]])

    def numbers() -> list[list[float]]:
        return [[float(word) for word in row.split(",")] for row in text.rows_to_print(vectors)]

    for least_to_be_many in (text._SHORT_NUMBERS, 0):
        monkeypatch.setattr(text, "_SHORT_NUMBERS", least_to_be_many)
        assert text.rows_to_print(vectors)[0] == f"1.0,-0.5,{1 / 3!r}"
        assert numbers() == vectors.tolist()


def test_checksum_is_crc32() -> None:
    assert checksum(b"123456789") == 0xCBF43926
    assert checksum(memoryview(b"")) == 0
    assert checksum(b"6789", checksum(b"12345")) == 0xCBF43926


@pytest.mark.parametrize("key", [b"-1", b"+1", b"1_0", b""])
def test_wide_and_long_text_with_a_wrong_key_is_refused(key: bytes) -> None:
    wide = b"0" + b",1.5" * 30_000 + b"\n" + key + b",1.5" * 30_000 + b"\n"
    long = b"0,1.5\n" * 60_000 + key + b",1.5\n"
    for damaged in (wide, long):
        with pytest.raises(ValueError):  # noqa: PT011 (pyarrow words some of them)
            decode(damaged)
