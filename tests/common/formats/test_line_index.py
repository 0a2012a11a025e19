"""Rows of text, counted and located, in any cut."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.formats import line_index
from common.formats.line_index import PLAIN, LineIndex, Place, codes_of, count_line_ends, head_of, whole_rows

CONTENTS = st.lists(st.sampled_from([b"x", b"\n", b" ", b"\r", b"\t\n", b"12"]), min_size=1).map(b"".join)

START = Place(0, 1)
texts = st.lists(st.sampled_from([b"1,2", b" ", b"\t", b"", b"long line of text", b"\r"]), max_size=12).map(
    b"\n".join
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index") / "text"


@given(text=texts, piece_bytes=st.sampled_from([4, 16, 1 << 20]))
def test_rows_are_the_lines_that_are_not_blank(path: Path, text: bytes, piece_bytes: int) -> None:
    path.write_bytes(text)
    expected = [(number, line) for number, line in enumerate(io.BytesIO(text).readlines(), 1) if line.strip()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.formats.line_index._PIECE_BYTES", piece_bytes)
        index = LineIndex(path, PLAIN, START)
        assert index.rows == len(expected)
        head = [(place.line, row) for place, row in head_of(path, PLAIN, START, 2)]
        assert head == expected[:2]
        splits = index.split(list(range(len(expected) + 1))) if expected else []
        for split, (number, line) in zip(splits, expected, strict=True):
            start = split.byte_start
            assert (split.line_start, text[start : start + len(line)]) == (number, line)
        whole = [bytes(piece) for piece in whole_rows(io.BytesIO(text), 0, None, "file", PLAIN)]
    assert b"".join(whole) == text
    assert all(piece.endswith(b"\n") for piece in whole[:-1])
    assert sum(count_line_ends(memoryview(piece)) for piece in whole) == text.count(b"\n")


@given(content=CONTENTS, blank_rows=st.booleans(), piece_bytes=st.sampled_from([1, 4, 1 << 20]))
def test_each_row_starts_where_its_line_does(
    path: Path, content: bytes, blank_rows: bool, piece_bytes: int
) -> None:
    path.write_bytes(content)
    lines = content.splitlines(keepends=True) if b"\r" not in content else content.split(b"\n")
    if b"\r" in content:
        lines = [line + b"\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    rows = [i for i, line in enumerate(lines) if blank_rows or line.strip()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_index, "_PIECE_BYTES", piece_bytes)
        index = LineIndex(path, PLAIN, START, blank_rows=blank_rows)
        assert index.rows == len(rows)
        splits = index.split(list(range(len(rows) + 1)))
    starts = [sum(map(len, lines[:row])) for row in rows]
    assert [split.byte_start for split in splits] == starts
    assert [split.byte_stop for split in splits] == [*starts[1:], len(content)][: len(rows)]
    assert [split.line_start for split in splits] == [row + 1 for row in rows]


def test_what_comes_before_the_start_is_not_counted(path: Path) -> None:
    path.write_bytes(b"a,b\n\n1,2\n3,4\n")
    head = head_of(path, PLAIN, START, 2)
    assert head == [(Place(0, 1), b"a,b\n"), (Place(5, 3), b"1,2\n")]
    (split,) = LineIndex(path, PLAIN, head[1][0]).split([0, 2])
    assert (split.byte_start, split.byte_stop, split.line_start) == (5, 13, 3)


def test_pieces_end_where_lines_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_index, "_PIECE_BYTES", 4)
    path.write_bytes(b"1\n2\n345678\n9")
    with path.open("rb") as file:
        pieces = [bytes(piece) for piece in whole_rows(file, 0, None, "", PLAIN)]
    assert pieces == [b"1\n2\n", b"345678\n", b"9"]
    assert [count_line_ends(memoryview(piece)) for piece in pieces] == [2, 1, 0]
    assert codes_of(b"\n1").tolist() == [10, 49]
