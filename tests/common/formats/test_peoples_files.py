"""Text files as people have them: what is read, what is refused, and which option helps."""

from pathlib import Path

import pytest

from common.errors import InputError, UsageError, UserError
from common.formats.dataset import open_input, plan_splits, read_blocks
from common.formats.layout import TextOptions, check_marks
from common.model import FloatType

ROWS = [[1.0, 2.0], [2.0, 1.0], [9.0, 8.0]]
DOUBT = " may be the names of the columns, or a row; say which: --header yes or --header no"
NO_NAME = "the first column has no name; if it only counts or names the rows, leave it out with --columns"

READ: dict[str, tuple[bytes, str | None, TextOptions]] = {
    "numbers_for_names": (b"0,1\n1,2\n2,1\n9,8\n", None, TextOptions(header="yes")),
    "years_for_names": (
        b"Country,1960,1961\nAruba,1,2\nChad,2,1\nPeru,9,8\n",
        "2-3",
        TextOptions(header="yes"),
    ),
    "dates_for_names": (b",2010-01-04,2010-01-05\nApple,1,2\nBoeing,2,1\nCoke,9,8\n", "2-3", TextOptions()),
    "dates_alone": (b"2010-01-04,2010-01-05\n1,2\n2,1\n9,8\n", None, TextOptions()),
    "a_row_that_counts": (b"1,2\n2,1\n9,8\n", None, TextOptions()),
    "years_in_all_rows": (b"1960,1961\n1961,1960\n", None, TextOptions()),
    "surplus_mark_in_the_header": (b"x,y,\n1,2\n2,1\n9,8\n", "x,y", TextOptions()),
    "surplus_mark_in_each_row": (b"1,2,\n2,1,\n9,8,\n", None, TextOptions()),
    "surplus_mark_everywhere": (b"x;y;\n1;2;\n2;1;\n9;8;\n", None, TextOptions()),
    "surplus_mark_in_the_rows": (b"x,y\n1,2,\n2,1,\n9,8,\n", None, TextOptions()),
    "marks_in_quotes": (
        b'name,x,y\n"Smith, John",1,2\n"Doe, Ann",2,1\n"Roe, Al",9,8\n',
        "x,y",
        TextOptions(),
    ),
    "marks_in_quoted_names": (b'"Income, k$","Score"\n1,2\n2,1\n9,8\n', None, TextOptions()),
    "line_ends_in_quotes": (b'x,note,y\n1,"a\nb",2\n2,"c\r\n\n",1\n9,"",8\n', "x,y", TextOptions()),
    "quotes_in_quotes": (
        b'x,note,y\n1,"say ""no"", ""yes"",",2\n2,"""",1\n9,"a""",8\n',
        "1,3",
        TextOptions(),
    ),
    "quoted_numbers": (b'"x","y"\n"1","2"\n"2","1"\n"9","8"\n', None, TextOptions()),
    "quoted_decimal_commas": (b'x,y\n"1,0","2,0"\n"2,0","1,0"\n9,8\n', None, TextOptions(decimal=",")),
    "spaces_before_quotes": (b'x, y\n1, "2"\n2, "1"\n9, "8"\n', None, TextOptions()),
    "row_names_of_r": (b'"x" "y"\n"1" 1 2\n"2" 2 1\n"3" 9 8\n', None, TextOptions()),
    "row_names_of_r_chosen": (b'"x" "y"\n"1" 1 2\n"2" 2 1\n"3" 9 8\n', "2,3", TextOptions()),
    "row_names_of_r_csv": (b'"","x","y"\n"1",1,2\n"2",2,1\n"3",9,8\n', "x,y", TextOptions()),
    "row_names_without_quotes": (b"x y\nAnn 1 2\nBob 2 1\nCy 9 8\n", None, TextOptions()),
    "line_of_excel": (b"sep=;\nx;y\n1;2\n2;1\n9;8\n", None, TextOptions()),
    "line_of_excel_in_quotes": (b'"sep=\t"\r\nx\ty\r\n1\t2\r\n2\t1\r\n9\t8\r\n', None, TextOptions()),
    "mark_given": (b"1|2\n2|1\n9|8\n", None, TextOptions(delimiter="|")),
    "tabs_as_spaces": (b"1\t2\n2\t\t1\n9\t8\n", None, TextOptions(delimiter="space")),
    "a_tab_before_the_name": (b'1.0  2.0\t"a b"\n2.0  1.0\t"c"\n9.0 8.0\t"d e f"\n', "1-2", TextOptions()),
    "a_tab_after_the_id": (b"0\t1 2\n1\t2 1\n2\t9 8\n", "2-3", TextOptions()),
    "decimal_commas": (b"x;y\n1,0;2\n2;1,\n9;8e0\n", None, TextOptions(decimal=",")),
    "comments": (b'# made by x, "y\n1 2\n#3 4\n2 1\n\n# "\n9 8\n', None, TextOptions(comment="#")),
    "lines_before": (b"Report of 2020\n\nx,y\n1,2\n2,1\n9,8\n", None, TextOptions(skip_rows=2)),
    "lines_before_and_a_mark": (
        b'\xef\xbb\xbfa " quote\nx,y\n1,2\n2,1\n9,8\n',
        None,
        TextOptions(skip_rows=1),
    ),
    "missing_values": (b"x,y\n1,2\n,7\n2,1\n3,NA\n9,8\n?,1\n", None, TextOptions(missing="drop")),
    "missing_values_first": (b"NA,2\n1,2\n 2 , 1\nnan,null\n9,8\n", None, TextOptions(missing="drop")),
    "missing_values_elsewhere": (b"a,x,y\n,1,2\nNA,2,1\n,9,8\n", "2-3", TextOptions(missing="drop")),
    "lines_of_tabs": (b"x\ty\n1\t2\n\t\n2\t1\n\t\t\n9\t8\n\t", None, TextOptions(missing="drop")),
    "missing_values_quoted": (b'x;y\n1;2\n"NA";7\n"2";"1"\n9;8\n', None, TextOptions(missing="drop")),
    "quotes_as_text": (b'size,x,y\n5" disk,1,2\n6",2,1\n7"",9,8\n', "x,y", TextOptions(quote="none")),
    "another_quote": (b"name,x,y\n'a,b',1,2\n'c',2,1\n'',9,8\n", "x,y", TextOptions(quote="'")),
}
"""Content, columns and options."""

REFUSED: dict[str, tuple[bytes, str | None, TextOptions, str]] = {
    "numbers_for_names": (b"0,1\n100.1,99.9\n", None, TextOptions(), f", line 1: '0,1'{DOUBT}"),
    "years_for_names": (
        *(b"Country,1960,1961\nAruba,10,11\n", "2-3", TextOptions()),
        f", line 1: 'Country,1960,1961'{DOUBT}",
    ),
    "years_alone": (b"1960;1961\n10;11\n", None, TextOptions(), f", line 1: '1960;1961'{DOUBT}"),
    "a_name_over_a_number": (b"x,7\n1,2\n", None, TextOptions(), f", line 1: 'x,7'{DOUBT}"),
    "no_name": (b",x,y\n1,5,6\n2,7,8\n", None, TextOptions(), f": {NO_NAME} 2-3, else use --columns 1-3"),
    "no_name_r": (b'"","x"\n"1",5\n', None, TextOptions(), f": {NO_NAME} 2, else use --columns 1-2"),
    "a_row_of_missing_values": (
        *(b"NA,NA\n1,2\n", None, TextOptions()),
        ", line 1, column 1: 'NA' is not a number (to leave such rows out: --missing drop)",
    ),
    "nothing_left": (
        *(b"x,y\nNA,1\n2,\n", None, TextOptions(missing="drop")),
        ": each row lacks a number, and --missing drop leaves such rows out",
    ),
    "text_in_a_column": (
        *(b"id,Gender,x,y\n1,Male,5,6\n", None, TextOptions()),
        ", line 2, column 2 ('Gender'): 'Male' is not a number (to leave the column out: --columns 1,3-4)",
    ),
    "numbers_for_row_names": (
        *(b"x y\n1 1 2\n2 2 1\n", None, TextOptions()),
        ", line 2: 3 columns, but the header has 2 names",
    ),
    "surplus_that_is_no_surplus": (
        *(b"1,2,\n2,1,\n" * 12 + b"9,8,7\n", None, TextOptions()),
        ", line 25, column 3: 3 columns where 2 are expected",
    ),
    "header_alone": (b"x,y\n", None, TextOptions(), ", line 1: the file has a header but no row of numbers"),
    "lists": (
        *(b"[1, 2]\n[2, 1]\n", None, TextOptions()),
        ": it looks like JSON; write one row a line, as 1,2",
    ),
    "decimal_point_where_a_comma_is_said": (
        *(b"1.5;2\n", None, TextOptions(decimal=",")),
        ", line 1, column 1: '1.5' is not a number (if . is its decimal point: --decimal .)",
    ),
    "all_skipped": (
        *(b"1,2\n", None, TextOptions(skip_rows=3)),
        ": the file is empty; expected one row of numbers on each line",
    ),
}


@pytest.fixture(params=[(1 << 18, 8 << 20), (0, 8 << 20), (0, 16), (1 << 18, 16)], ids=str)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way in which a text file is parsed."""
    monkeypatch.setattr("common.formats.parsing._SHORT_BYTES", request.param[0])
    monkeypatch.setattr("common.formats.line_index._PIECE_BYTES", request.param[1])


def read(path: Path, columns: str | None, options: TextOptions, n: int = 1) -> list[list[float]]:
    file = open_input(path, columns, FloatType.FLOAT64, options)
    splits = plan_splits(file, n)
    return [row for split in splits for block in read_blocks(file.input, split) for row in block.tolist()]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("case", READ)
def test_reads(tmp_path: Path, case: str) -> None:
    content, columns, options = READ[case]
    path = tmp_path / "file"
    path.write_bytes(content)
    expected = [[1960.0, 1961.0], [1961.0, 1960.0]] if case == "years_in_all_rows" else ROWS
    for n in (1, 2, 3, 5):
        assert read(path, columns, options, n) == expected


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("case", REFUSED)
def test_refuses(tmp_path: Path, case: str) -> None:
    content, columns, options, what = REFUSED[case]
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read(path, columns, options)
    assert str(caught.value) == f"{path}{what}"


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x,y,x\n1,2,3\n")
    assert read(path, None, TextOptions()) == [[1.0, 2.0, 3.0]]
    with pytest.raises(UsageError) as caught:
        read(path, "x", TextOptions())
    assert str(caught.value) == f"--columns x: {path} has several columns of that name; say which: 1,3"


@pytest.mark.parametrize("wanted", ["a, b", '"a, b"', '"a, b",y', 'y,"a, b"', "1"])
def test_a_name_with_a_comma(tmp_path: Path, wanted: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'"a, b",y\n1,2\n')
    expected = {"y" in wanted: [1.0, 2.0], "y" not in wanted: [1.0], wanted.startswith("y"): [2.0, 1.0]}
    assert read(path, wanted, TextOptions()) == [expected[True]]


@pytest.mark.parametrize(
    "options",
    [
        TextOptions(delimiter="ab"),
        TextOptions(quote="«"),
        TextOptions(comment="//"),
        TextOptions(delimiter=",", decimal=","),
        TextOptions(delimiter="#", comment="#"),
        TextOptions(delimiter="\n"),
    ],
    ids=str,
)
def test_refuses_marks(options: TextOptions) -> None:
    with pytest.raises(UserError, match=r"^--"):
        check_marks(options)
