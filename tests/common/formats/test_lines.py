"""Lines are found in pieces as in one."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.formats.lines import count_line_ends, first_rows, index_rows, locate_row, whole_lines

texts = st.lists(st.sampled_from([b"1,2", b" ", b"\t", b"", b"long line of text", b"\r"]), max_size=12).map(
    b"\n".join
)


@given(text=texts, piece_bytes=st.sampled_from([4, 16, 1 << 20]))
def test_rows_are_the_lines_that_are_not_blank(text: bytes, piece_bytes: int) -> None:
    expected = [(number, line) for number, line in enumerate(io.BytesIO(text).readlines(), 1) if line.strip()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.formats.lines._PIECE_BYTES", piece_bytes)
        file = io.BytesIO(text)
        pieces, rows = index_rows(file, "file")
        assert rows == len(expected)
        assert first_rows(file, pieces, 2) == expected[:2]
        for row, (number, line) in enumerate(expected):
            start, found = locate_row(file, pieces, row)
            assert (found, text[start : start + len(line)]) == (number, line)
        whole = [bytes(piece) for piece in whole_lines(file, 0, None, "file")]
    assert b"".join(whole) == text
    assert all(piece.endswith(b"\n") for piece in whole[:-1])
    assert sum(count_line_ends(memoryview(piece)) for piece in whole) == text.count(b"\n")
