"""Text files: what is read of them, and what is said of bad ones, on both parsing paths."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from common.errors import InputError, UsageError
from common.formats.dataset import open_input, plan_splits, read_all, read_blocks
from common.formats.parsing import _parse_fast
from common.formats.texts import TextCodes
from common.model import Dialect, FloatArray, Input, InputFormat, Split

ROWS = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
SHORT_BYTES = {"python": 1 << 18, "pyarrow": 0}
PIECE_BYTES = {"one_piece": 8 << 20, "many_pieces": 16}
DROP = " (to leave such rows out: --missing drop)"
EMPTY_FIELD = f"the field is empty; every field needs a number{DROP}"
FIRST, SECOND = (f" (to leave the column out: --columns {other})" for other in (2, 1))
"""What helps if the first or the second of two columns holds text."""
TOO_LARGE = "is larger than ±3.12e+144; squared distances would overflow"

GOOD = {
    "comma": b"1,2\n3,4\n5,6\n",
    "tab": b"1\t2\n3\t4\n5\t6\n",
    "semicolon": b"1;2\n3;4\n5;6\n",
    "space": b"1 2\n3 4\n5 6\n",
    "many_spaces": b"  1   2\n3 4  \n   5  6 \n",
    "mixed_white_space": b"1  2\n3 \t4\n\t5 6\t\n",
    "comma_and_spaces": b"1, 2\n 3 ,4 \n5\t,  6\n",
    "semicolon_and_tabs": b"1;\t2\n3\t;4\n5;6\t\n",
    "spaces_around_tabs": b"1 \t 2\n3\t 4\n5 \t6\n",
    "header": b"x,y\n1,2\n3,4\n5,6\n",
    "header_double_quotes": b'"x","y"\n1,2\n3,4\n5,6\n',
    "header_single_quotes": b"'x';'y'\n1;2\n3;4\n5;6\n",
    "header_tab": b"first name\tlast name\n1\t2\n3\t4\n5\t6\n",
    "header_spaces": b"x  y\n1 2\n3 4\n5 6\n",
    "crlf": b"1,2\r\n3,4\r\n5,6\r\n",
    "crlf_spaces": b"1 2\r\n3 4\r\n5 6\r\n",
    "mixed_line_ends": b"1,2\r\n3,4\n5,6\r\n",
    "no_final_newline": b"1,2\n3,4\n5,6",
    "crlf_no_final_newline": b"x,y\r\n1,2\r\n3,4\r\n5,6",
    "byte_order_mark": b"\xef\xbb\xbf1,2\n3,4\n5,6\n",
    "byte_order_mark_header": b"\xef\xbb\xbfx,y\n1,2\n3,4\n5,6\n",
    "byte_order_mark_blank": b"\xef\xbb\xbf\n1 2\n3 4\n5 6\n",
    "blank_start": b"\n\n1,2\n3,4\n5,6\n",
    "blank_middle": b"1,2\n\n3,4\n\n\n5,6\n",
    "blank_end": b"1,2\n3,4\n5,6\n\n\n",
    "blank_crlf": b"\r\n1,2\r\n\r\n3,4\r\n5,6\r\n\r\n",
    "spaces_anywhere": b"   \n1,2\n \t \n3,4\n  \n5,6\n    ",
    "spaces_anywhere_white_space": b"   \n1 2\n \t \n3 4\n  \n5 6\n    ",
    "tabs_anywhere_tab": b"\t\n1\t2\n\t\t\t\n3\t4\n\n5\t6\n\t",
    "blank_around_header": b"\n \nx,y\n\n1,2\n3,4\n5,6\n",
    "many_blank": b"1,2\n" + b"\n" * 50 + b"3,4\n" + b" \n" * 50 + b"5,6\n",
    "number_forms": b"+1,2.\n.3e1,4E0\n005,60e-1\n",
}

BAD_LINES = {
    "nan": (b"1,nan", 2, f"'nan' is not a number{DROP}"),
    "inf": (b"inf,2", 1, f"'inf' is not a number{FIRST}"),
    "minus_inf": (b"1,-inf", 2, f"'-inf' is not a number{SECOND}"),
    "underscore": (b"1_000,2", 1, "'1_000' is not a number"),
    "full_width": ("1,\uff11\uff12".encode(), 2, f"'\uff11\uff12' is not a number{SECOND}"),
    "hexadecimal": (b"1,0x10", 2, "'0x10' is not a number"),
    "text": (b"1,two", 2, f"'two' is not a number{SECOND}"),
    "long_text": (b"1," + b"x" * 41, 2, f"'{'x' * 40}…' is not a number{SECOND}"),
    "quote_inside": (b'1"2,3', 1, "'1\"2' is not a number"),
    "empty_first": (b",2", 1, EMPTY_FIELD),
    "empty_last": (b"1,", 2, EMPTY_FIELD),
    "spaces_only": (b"1,  ", 2, EMPTY_FIELD),
    "too_few": (b"1", 2, "1 column where 2 are expected"),
    "too_many": (b"1,2,3", 3, "3 columns where 2 are expected"),
    "decimal_commas": (b"1,5,2,5", 3, "4 columns where 2 are expected"),
    "not_a_float64": (b"1,1e999", 2, "1e999 does not fit a float64"),
    "too_large": (b"1,1e200", 2, f"1e+200 {TOO_LARGE}"),
    "too_negative": (b"-1e200,1", 1, f"-1e+200 {TOO_LARGE}"),
    "lone_cr": (b"1,2\r3,4", 3, "3 columns where 2 are expected"),
    "cr_in_field": (b"1\r1,2", 1, "'1\\r1' is not a number"),
    "nul": (b"1,2\x00", 2, "'2\\x00' is not a number"),
    "nul_alone": (b"\x00", 2, "1 column where 2 are expected"),
}

NO_ROWS = ": the file is empty; expected one row of numbers on each line"
NO_FIELD = 'a quote " is not at both ends of a field (if it is part of a text: --quote none)'
COMMA = " (if , is its decimal point: --decimal ,)"
BAD_FILES = {
    "empty": (b"", NO_ROWS),
    "byte_order_mark_only": (b"\xef\xbb\xbf", NO_ROWS),
    "blank_lines_only": (b"\n  \n\r\n\t\n", NO_ROWS),
    "header_only": (b"x,y\n", ", line 1: the file has a header but no row of numbers"),
    "header_only_late": (b"\n\nx,y\n \n", ", line 3: the file has a header but no row of numbers"),
    "header_too_short": (b"x,y\n\n1,2,3\n", ", line 3: 3 columns, but the header has 2 names"),
    "header_too_long": (b"x y z\n1 2\n", ", line 2: 2 columns, but the header has 3 names"),
    "open_quote": (b'1,2\n"3,4\n5,6\n', f", line 2: {NO_FIELD}"),
    "quote_in_a_field": (b'1,2\n"3"4,4\n5,6\n', f", line 2: {NO_FIELD}"),
    "letters_for_digits": (b"1O,2O\n3,4\n", ", line 1, column 1: '1O' is not a number"),
    "hexadecimal": (b"0x1,0x2\n3,4\n", ", line 1, column 1: '0x1' is not a number"),
    "lz4": (b"\x04\x22\x4d\x18\x40", ": it is compressed by lz4; unpack it first"),
    "utf_16": ("1,2\n".encode("utf-16"), ": it is text in UTF-16; save it as UTF-8"),
    "two_headers": (b"x,y\na,b\n1,2\n", f", line 2, column 1 ('x'): 'a' is not a number{FIRST}"),
    "decimal_comma": (b"1,5;2,5\n", f", line 1, column 1: '1,5' is not a number{COMMA}"),
    "decimal_comma_tab": (b"x\ty\n1,5\t2,5\n", f", line 2, column 1 ('x'): '1,5' is not a number{COMMA}"),
    "decimal_comma_spaces": (b"1,5 2,5\n", ", line 1, column 2: '5 2' is not a number"),
    "mac_line_ends": (b"1,2\r3,4\r", ", line 1, column 2: '2\\r3' is not a number"),
    "text_in_one_column": (b"a,1\nb,2\n", f", line 1, column 1: 'a' is not a number{FIRST}"),
    "nul_bytes": (b"\x001,2\n", f", line 1, column 1: '\\x001' is not a number{FIRST}"),
}

TABLE = b"id,x,y,z\nA,1,2,3\nB,4,5,6\n"
COLUMNS = {
    "names": ("x,z", [[1.0, 3.0], [4.0, 6.0]]),
    "names_reordered": (" z , x ", [[3.0, 1.0], [6.0, 4.0]]),
    "positions": ("2,4", [[1.0, 3.0], [4.0, 6.0]]),
    "range": ("2-4", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "range_of_one": ("3-3", [[2.0], [5.0]]),
    "name_and_range": ("z,2-3", [[3.0, 1.0, 2.0], [6.0, 4.0, 5.0]]),
}
BAD_COLUMNS = {
    "unknown": (TABLE, "w", "--columns: {} has no column 'w'; its columns are id, x, y, z"),
    "empty": (TABLE, "", "--columns: {} has no column ''; its columns are id, x, y, z"),
    "zero": (TABLE, "0", "--columns 0: {} has only columns 1 to 4"),
    "beyond": (TABLE, "5", "--columns 5: {} has only columns 1 to 4"),
    "range_beyond": (TABLE, "2-5", "--columns 2-5: {} has only columns 1 to 4"),
    "range_backwards": (TABLE, "3-2", "--columns 3-2: a range begins with the lower position: 2-3"),
    "twice": (TABLE, "x,2-3", "--columns x,2-3 names a column twice"),
    "no_header": (b"1,2\n", "x", "--columns: {} has no column 'x'; it has no header line"),
}


@pytest.fixture(params=itertools.product(SHORT_BYTES, PIECE_BYTES), ids="-".join)
def parsing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way a text file is parsed."""
    path, pieces = request.param
    monkeypatch.setattr("common.formats.parsing._SHORT_BYTES", SHORT_BYTES[path])
    monkeypatch.setattr("common.formats.line_index._PIECE_BYTES", PIECE_BYTES[pieces])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "points.txt"


every_way = pytest.mark.usefixtures("parsing")


def read_split(source: Input, split: Split) -> FloatArray:
    return np.concatenate([np.empty((0, len(source.columns))), *read_blocks(source, split)])


def refusal(path: Path, content: bytes) -> str:
    """Return what is said of a bad file."""
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_all(path)
    return str(caught.value)


@every_way
@pytest.mark.parametrize("content", GOOD.values(), ids=GOOD)
def test_reads_the_same_rows_in_any_number_of_splits(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    opened = open_input(file)
    for n in range(1, 8):
        splits = plan_splits(opened, n)
        parts = [read_split(opened.input, split) for split in splits]
        assert np.concatenate(parts).tolist() == ROWS
        assert [len(part) for part in parts] == [split.rows for split in splits]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert [split.index for split in splits] == list(range(n))


@pytest.mark.parametrize("delimiter", ["comma", "tab", "semicolon", "space", "mixed_white_space", "crlf"])
def test_pyarrow_parses_plain_text_itself(file: Path, delimiter: str) -> None:
    file.write_bytes(GOOD[delimiter])
    source = open_input(file).input
    points = _parse_fast(memoryview(GOOD[delimiter]), source, TextCodes(source))
    assert points is not None
    assert points.tolist() == ROWS


@every_way
@pytest.mark.parametrize("content", [b"1\n2\n\n3", b"x\r\n1\r\n \r\n2\r\n3\r\n", b'\n"x"\n 1\n2 \n3\n'])
def test_reads_one_column(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert read_all(file).tolist() == [[1.0], [2.0], [3.0]]


@every_way
@pytest.mark.parametrize(("columns", "expected"), COLUMNS.values(), ids=COLUMNS)
def test_reads_the_columns_wanted(file: Path, columns: str, expected: list[list[float]]) -> None:
    file.write_bytes(TABLE)
    assert read_all(file, columns).tolist() == expected


@every_way
def test_text_columns_may_stay_unused_without_a_header(file: Path) -> None:
    file.write_bytes(b"1,red,2\n3,,4\n5,\xff,6\n")
    assert read_all(file, "1,3").tolist() == ROWS


@pytest.mark.parametrize(("content", "columns", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_refuses_columns_that_are_not_there(file: Path, content: bytes, columns: str, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        open_input(file, columns)
    assert str(caught.value) == message.format(file)


def test_describes_the_file_and_its_splits(file: Path) -> None:
    file.write_bytes(b"id;x\n\n1;2\n3;4\n\n5;6\n")
    opened, status = open_input(file, "x"), file.stat()
    assert opened.input == Input(
        str(file),
        InputFormat.TEXT,
        Dialect(";", quote=""),  # there is none in the file
        2,
        (1,),
        3,
        status.st_size,
        status.st_mtime_ns,
        names=("x",),
    )
    assert plan_splits(opened, 2) == [Split(0, 0, 1, 6, 10, 3), Split(1, 1, 3, 10, 19, 4)]


@every_way
@pytest.mark.parametrize(("line", "column", "what"), BAD_LINES.values(), ids=BAD_LINES)
def test_names_the_place_in_the_last_of_three_splits(file: Path, line: bytes, column: int, what: str) -> None:
    file.write_bytes(b"x,y\n\n1,2\n3,4\n  \n5,6\n7,8\r\n\n" + line + b"\n\n")
    opened = open_input(file)
    *good, bad = plan_splits(opened, 3)
    assert [read_split(opened.input, split).tolist() for split in good] == [[[1, 2]], [[3, 4], [5, 6]]]
    with pytest.raises(InputError) as caught:
        read_split(opened.input, bad)
    name = f" ('{'xy'[column - 1]}')" if "where 2 are" not in what else ""
    assert str(caught.value) == f"{file}, line 9, column {column}{name}: {what}"


@every_way
@pytest.mark.parametrize(("line", "column", "what"), BAD_LINES.values(), ids=BAD_LINES)
def test_names_the_place_without_final_newline(file: Path, line: bytes, column: int, what: str) -> None:
    assert refusal(file, b"1,2\n" + line) == f"{file}, line 2, column {column}: {what}"


@every_way
@pytest.mark.parametrize(("content", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_refuses_bad_files(file: Path, content: bytes, message: str) -> None:
    assert refusal(file, content) == f"{file}{message}"


@every_way
def test_names_the_column_of_the_file_not_of_the_choice(file: Path) -> None:
    file.write_bytes(b"a,1,2\nb,3,x\n")
    with pytest.raises(InputError) as caught:
        read_all(file, "3,2")
    assert (
        str(caught.value)
        == f"{file}, line 2, column 3: 'x' is not a number (to leave the column out: --columns 2)"
    )


@pytest.mark.parametrize(
    ("name", "what"),
    [("none.txt", "cannot be read: No such file or directory"), ("", "there is no file")],
    ids=["missing", "folder"],
)
def test_refuses_what_is_no_file(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(InputError) as caught:
        open_input(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: {what}"


def test_refuses_a_line_without_end(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.formats.line_index._PIECE_BYTES", 1 << 10)
    monkeypatch.setattr("common.formats.line_index._LONGEST_ROW_BYTES", 1 << 20)
    message = refusal(file, b"1\n" + b"2" * (1 << 20) + b"\n")
    assert message == f"{file}: a row at byte 2 is longer than 1 MiB"


@every_way
@pytest.mark.parametrize("content", [b"1 2\r3 4\r", b"1\r2\n3\r4\n"], ids=["mac_line_ends", "in_lines"])
def test_refuses_a_lone_cr_between_spaces(file: Path, content: bytes) -> None:
    assert refusal(file, content).startswith(f"{file}, line ")


@pytest.mark.parametrize("bad", [0, 1], ids=["after_the_first", "in_the_second_split"])
def test_refuses_a_second_byte_order_mark(file: Path, monkeypatch: pytest.MonkeyPatch, bad: int) -> None:
    monkeypatch.setattr("common.formats.parsing._SHORT_BYTES", 0)
    file.write_bytes([b"\xef\xbb\xbf\xef\xbb\xbf1,2\n3,4\n", b"1,2\n\xef\xbb\xbf3,4\n"][bad])
    doubt = "'\\ufeff1,2' may be the names of the columns, or a row; say which: --header yes or --header no"
    wrong = f"line 2, column 1: '\\ufeff3' is not a number{FIRST}"
    with pytest.raises(InputError) as caught:
        read_split((opened := open_input(file)).input, plan_splits(opened, 2)[bad])
    assert str(caught.value) == f"{file}, {wrong if bad else f'line 1: {doubt}'}"


@every_way
@pytest.mark.parametrize(
    ("line", "column", "what"),
    [
        (b"\t2\t3", 1, EMPTY_FIELD),
        (b"1\t2\t", 3, EMPTY_FIELD),
        (b"\t2\t3\t4", 4, "4 columns where 3 are expected (if tabs and spaces are alike: --delimiter space)"),
    ],
    ids=["empty_first", "empty_last", "too_many"],
)
def test_counts_empty_fields_at_the_ends_of_tabbed_lines(
    file: Path, line: bytes, column: int, what: str
) -> None:
    assert refusal(file, b"1\t2\t3\n" + line + b"\n") == f"{file}, line 2, column {column}: {what}"


def test_a_header_may_leave_a_column_without_a_name(file: Path) -> None:
    """As pandas writes its index."""
    file.write_bytes(b",x,y\na,1,2\nb,3,4\n")
    assert read_all(file, "x,y").tolist() == [[1.0, 2.0], [3.0, 4.0]]
