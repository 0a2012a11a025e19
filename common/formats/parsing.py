"""The numbers in lines of text: parsed by pyarrow or, strictly, in plain Python.

pyarrow is fast, but its errors do not name the column. Where it finds anything unusual, plain Python
parses the same lines once more. It either gets the same numbers or names the line and column that are wrong.
"""

import re

import numpy as np
import numpy.typing as npt

from common.errors import InputError, counted
from common.formats.columns import EMPTY_FIELD, are_usable, problem_with
from common.formats.line_index import BYTE_ORDER_MARK, NEWLINE, SPACE, CodeArray, codes_of, scans
from common.model import FloatArray, Input

_SHORT_BYTES = 1 << 18
"""Below this, plain Python is done before pyarrow is imported."""
_TAB, _RETURN = b"\t\r"
_NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BLANKS_TO_SPACES = bytes.maketrans(b"\t\r\v\f", b"    ")


def parse(text: memoryview, source: Input, line: int) -> FloatArray:
    """Parse whole lines, the first of which has the number `line`; return the used columns' rows.

    Raise InputError if a line does not hold what it must; the text names it.
    """
    if len(text) > _SHORT_BYTES:
        points = _parse_fast(text, source)
        if points is not None:
            return points
    return _parse_strictly(bytes(text), source, line)


def _parse_fast(text: memoryview, source: Input) -> FloatArray | None:
    """Parse by pyarrow; None if it finds anything out of the ordinary."""
    import pyarrow
    import pyarrow.csv

    from common.records.conversion import to_numpy

    # To pyarrow a CR alone ends a line, and any byte order mark is to be skipped.
    codes = codes_of(text)
    if _holds_lone_return(codes) or text[:3] == BYTE_ORDER_MARK:
        return None
    names = [str(i) for i in range(source.fields)]
    used = [str(i) for i in source.columns]
    try:
        table = pyarrow.csv.read_csv(
            pyarrow.BufferReader(text if source.delimiter else _single_spaces(codes)),
            pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(text) + 1),
            pyarrow.csv.ParseOptions(delimiter=source.delimiter or " ", quote_char=False),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(used, pyarrow.float64()), include_columns=used, null_values=[]
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    points: FloatArray = np.stack([to_numpy(column) for column in table.columns], axis=1)
    return points if are_usable(points, source.dtype) else None


def _holds_lone_return(codes: CodeArray) -> bool:
    for part, following in scans(codes):
        returns = part == _RETURN
        if returns.any() and (returns[: len(following)] > (following == NEWLINE)).any():
            return True
    return bool(codes[-1] == _RETURN)


def _single_spaces(codes: CodeArray) -> bytes:
    """Leave one space between two fields, and none at the ends of a line."""
    parts = []
    for part, following in scans(codes):
        next_is_white = np.ones(len(part), np.bool_)
        next_is_white[: len(following)] = _is_white(following)
        parts.append(part[~(_is_white(part) & (part != NEWLINE) & next_is_white)])
    return b"".join(parts).translate(_BLANKS_TO_SPACES).replace(b"\n ", b"\n").lstrip(b" ")


def _is_white(codes: CodeArray) -> npt.NDArray[np.bool_]:
    # In uint8, what is below a tab wraps around to large numbers.
    white: npt.NDArray[np.bool_] = (codes == SPACE) | (codes - _TAB <= _RETURN - _TAB)
    return white


def _parse_strictly(text: bytes, source: Input, line: int) -> FloatArray:
    """Parse line by line, naming what is wrong."""
    rows = []
    for number, content in enumerate(text.split(b"\n"), line):
        if content.strip():
            rows.append(_parse_row(split_fields(content, source.delimiter), source, number))
    return np.array(rows, np.float64).reshape(-1, len(source.columns))


def _parse_row(fields: list[bytes], source: Input, line: int) -> list[float]:
    if len(fields) != source.fields:
        what = f"{counted(len(fields), 'column')} where {source.fields} are expected"
        raise InputError.at(source.path, what, line=line, column=min(len(fields), source.fields) + 1)
    row = []
    for column in source.columns:
        text = fields[column]
        if not _NUMBER.fullmatch(text):
            raise InputError.at(source.path, _not_a_number(text), line=line, column=column + 1)
        row.append(float(text))
        if problem := problem_with(row[-1], source.dtype):
            if np.isinf(row[-1]):
                problem = f"{text.decode()} does not fit a float64"
            raise InputError.at(source.path, problem, line=line, column=column + 1)
    return row


def _not_a_number(text: bytes) -> str:
    if not text:
        return EMPTY_FIELD
    shown = text[:40].decode("utf-8", "backslashreplace") + ("…" if len(text) > 40 else "")
    return f"{shown!r} is not a number"


def split_fields(line: bytes, delimiter: str) -> list[bytes]:
    """Cut a line into its fields; without a delimiter, at white space."""
    if not delimiter:
        return re.split(rb"[ \t\v\f]+", line.strip())
    # A tab at an end of the line is a delimiter like any other, with an empty field beyond it.
    return [field.strip() for field in line.rstrip(b"\r\n").split(delimiter.encode())]
