"""pyarrow and plain Python parse the same numbers; the latter names what is wrong."""

import numpy as np
import pytest

from common.errors import InputError
from common.formats.fields import split_fields
from common.formats.parsing import _parse_fast, _parse_strictly, parse
from common.formats.texts import TextCodes
from common.model import Dialect, FloatType, Input, InputFormat


def source(delimiter: str = ",") -> Input:
    return Input("file", InputFormat.TEXT, Dialect(delimiter), 3, (2, 0), 0, 0, 0, FloatType.FLOAT64)


NONE = TextCodes(source())


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        (b"1,x,2.5\n-3e2,,4\n", ","),
        (b"1;x;2.5\r\n-3e2;;4\r\n", ";"),
        (b" 1  x\t2.5 \n-3e2 y 4", ""),
    ],
)
def test_both_ways_agree(text: bytes, delimiter: str) -> None:
    expected = [[2.5, 1.0], [4.0, -300.0]]
    fast = _parse_fast(memoryview(text), source(delimiter), NONE)
    assert fast is not None
    assert fast.tolist() == expected
    assert _parse_strictly(memoryview(text), source(delimiter), 1, NONE).tolist() == expected


@pytest.mark.parametrize("field", [b"", b"nan", b"1_0", b"1e200", b"1\r2", b"\xef\xbb\xbf1"])
def test_what_is_unusual_is_left_to_python(field: bytes) -> None:
    text = b"1,2,3\n" + field + b",2,3\n"
    assert _parse_fast(memoryview(text), source(), NONE) is None
    with pytest.raises(InputError, match=r"^file, line 8, column 1: "):
        parse(memoryview(text), source(), 7, NONE)


def test_no_line_is_no_row() -> None:
    assert parse(memoryview(b"\n \n"), source(), 1, NONE).shape == (0, 2)
    assert parse(memoryview(b"1,2,3"), source(), 1, NONE).dtype == np.float64


@pytest.mark.parametrize(
    ("line", "delimiter", "expected"),
    [
        (b" a  b\tc \n", "", [b"a", b"b", b"c"]),
        (b" a ,b,\r\n", ",", [b"a", b"b", b""]),
        (b"\ta\t", "\t", [b"", b"a", b""]),
    ],
)
def test_fields(line: bytes, delimiter: str, expected: list[bytes]) -> None:
    assert split_fields(line, Dialect(delimiter)) == expected
