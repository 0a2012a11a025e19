"""The numbers in rows of text: parsed by pyarrow or, strictly, in plain Python.

pyarrow is fast, but its errors do not name the column. Where it finds anything unusual, plain Python
parses the same rows once more. It either gets the same numbers or names the line and column that are wrong.
"""

import re
import shlex

import numpy as np
import numpy.typing as npt

from common.errors import InputError, counted, shortened
from common.formats.columns import (
    EMPTY_FIELD,
    HOW_TO_GO_ON,
    MISSING_TEXT,
    are_usable,
    are_weighted,
    columns_without,
    problem_in,
)
from common.formats.fields import MISSING, split_fields
from common.formats.line_index import (
    BYTE_ORDER_MARK,
    NEWLINE,
    SPACE,
    BoolArray,
    CodeArray,
    codes_of,
    find_rows,
    holds,
    rows_in,
    scans,
)
from common.formats.texts import TextCodes
from common.model import Dialect, FloatArray, Input

_SHORT_BYTES = 1 << 18
"""Below this, plain Python is done before pyarrow is imported."""
_TAB, _RETURN = b"\t\r"
_NUMBERS = {
    mark: re.compile(rf"[+-]?(?:[0-9]+[{mark}]?[0-9]*|[{mark}][0-9]+)(?:[eE][+-]?[0-9]+)?".encode())
    for mark in ".,"
}
_BEGINS_AS_NUMBER = re.compile(rb"[+-]?\.?[0-9]")
_INFINITY = re.compile(rb"[+-]?inf(inity)?", re.IGNORECASE)
_BLANKS_TO_SPACES = bytes.maketrans(b"\t\r\v\f", b"    ")


def parse(text: memoryview, source: Input, line: int, texts: TextCodes) -> FloatArray:
    """Parse whole rows, the first of them in line `line`; return the used columns of those that count.

    In columns of texts stand the numbers that `texts` has given them. Raise InputError if a row does not hold
    what it must; the text names it.
    """
    points = _parse_all(text, source, line, texts)
    return points[~_lack_a_number(points)] if source.dialect.drops_missing else points


def are_complete(source: Input, text: memoryview, line: int) -> BoolArray:
    """Tell which of some whole rows hold all numbers; may raise InputError, as `parse`."""
    return np.logical_not(_lack_a_number(_parse_all(text, source, line, TextCodes(source))))


def _parse_all(text: memoryview, source: Input, line: int, texts: TextCodes) -> FloatArray:
    """Parse all rows; where a number may be missing, nan stands for it."""
    if len(text) > _SHORT_BYTES:
        points = _parse_fast(text, source, texts)
        if points is not None:
            return points
    return _parse_strictly(text, source, line, texts)


def _lack_a_number(points: FloatArray) -> BoolArray:
    lack: BoolArray = np.isnan(points.max(axis=1))
    return lack


def _parse_fast(text: memoryview, source: Input, texts: TextCodes) -> FloatArray | None:
    """Parse by pyarrow; None if it finds anything out of the ordinary."""
    import pyarrow

    # To pyarrow a CR alone ends a line, and any byte order mark is to be skipped.
    codes = codes_of(text)
    if _holds_lone_return(codes) or text[:3] == BYTE_ORDER_MARK:
        return None
    dialect = source.dialect
    if dialect.comment or _allows_gaps(source):  # else a line of tabs alone would be a row that lacks all
        codes = _rows_alone(codes, dialect)
    if not dialect.delimiter:
        codes = codes_of(_single_spaces(codes))
    is_quoted = holds(codes, dialect.quote)
    has_spaced_texts = is_quoted and source.texts and not dialect.delimiter
    if not len(codes) or has_spaced_texts or (is_quoted and not _are_quotes_regular(codes, dialect)):
        return None
    try:
        points = _read_csv(codes, source, texts, is_quoted=is_quoted)
    except pyarrow.ArrowInvalid:
        return None
    usable = points[~np.isnan(points)] if _allows_gaps(source) else points
    return points if are_usable(usable, source.dtype) and are_weighted(points, source) else None


def _allows_gaps(source: Input) -> bool:
    return source.dialect.drops_missing or source.keeps_missing


def _read_csv(codes: CodeArray, source: Input, texts: TextCodes, *, is_quoted: bool) -> FloatArray:
    """Have pyarrow read rows; ArrowInvalid if it can't, or a field follows that must be empty."""
    import pyarrow
    import pyarrow.csv

    from common.records.conversion import with_gaps

    dialect = source.dialect
    names = [str(i) for i in range(source.fields + dialect.trailing)]
    used = [str(i) for i in source.columns]
    text = pyarrow.string() if texts.as_they_stand else pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
    coded = dict.fromkeys([used[i] for i in source.texts], text)
    gaps = _allows_gaps(source)
    after = names[source.fields :]
    table = pyarrow.csv.read_csv(
        pyarrow.BufferReader(codes),
        pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(codes) + 1),
        pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter or " ",
            quote_char=dialect.quote if is_quoted else False,
            newlines_in_values=is_quoted,
        ),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(used, pyarrow.float64())
            | coded
            | dict.fromkeys(after, pyarrow.null()),
            include_columns=[*used, *after],
            null_values=sorted(map(bytes.decode, MISSING)) if gaps else [""] * len(after),
            decimal_point=dialect.decimal,
        ),
    )
    points = np.empty((len(table), len(used)))
    for i, name in enumerate(used):
        column = table[name].combine_chunks()
        if i in texts:
            points[:, i] = texts.numbers_of(i, column, _cleaned)
            if not gaps and "" in texts.texts[i]:
                raise pyarrow.ArrowInvalid("a text is missing")
            continue
        if column.null_count and not gaps:
            raise pyarrow.ArrowInvalid("a field is empty")
        points[:, i] = with_gaps(column, np.nan)
        if gaps and np.isnan(points[:, i]).sum() != column.null_count:
            raise pyarrow.ArrowInvalid("a number is nan")
    return points


def _cleaned(text: str) -> str:
    """Return a text without white space around it; "" if it says that it is missing."""
    text = text.strip(" \t\v\f")
    return "" if text.encode() in MISSING else text


def _holds_lone_return(codes: CodeArray) -> bool:
    for part, following in scans(codes):
        returns = part == _RETURN
        if returns.any() and (returns[: len(following)] > (following == NEWLINE)).any():
            return True
    return bool(codes[-1] == _RETURN)


def _rows_alone(codes: CodeArray, dialect: Dialect) -> CodeArray:
    """Leave out comments and blank lines."""
    starts, is_row = find_rows(codes, dialect)
    if is_row.all():
        return codes
    rows: CodeArray = codes[np.repeat(is_row, np.diff(starts, append=len(codes)))]
    return rows


def _are_quotes_regular(codes: CodeArray, dialect: Dialect) -> bool:
    """Tell whether quotes enclose whole fields, and are doubled within."""
    quote = ord(dialect.quote)
    places = np.flatnonzero(codes == quote)
    if len(places) % 2:
        return False
    framed = np.concatenate([[NEWLINE], codes, [NEWLINE]]).astype(np.uint8)
    before, after = framed[places[::2]], framed[places[1::2] + 2]
    edges = [NEWLINE, ord(dialect.delimiter or " "), quote]
    return bool(np.isin(before, edges).all() and np.isin(after, [*edges, _RETURN]).all())


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


def _parse_strictly(text: memoryview, source: Input, line: int, texts: TextCodes) -> FloatArray:
    """Parse row by row, naming what is wrong."""
    rows = []
    for _, number, content in rows_in(text, source.dialect, line):
        try:
            fields = split_fields(content, source.dialect)
        except ValueError as error:
            raise InputError.at(source.path, str(error), line=number) from None
        rows.append(_parse_row(fields, source, number, texts))
    return np.array(rows, np.float64).reshape(-1, len(source.columns))


def _parse_row(fields: list[bytes], source: Input, line: int, texts: TextCodes) -> list[float]:
    if source.dialect.trailing and not fields[-1]:
        fields = fields[:-1]
    if len(fields) != source.fields:
        what = f"{counted(len(fields), 'column')} where {source.fields} are expected"
        if source.dialect.delimiter == "\t" and b"" in fields:
            what += " (if tabs and spaces are alike: --delimiter space)"
        raise InputError.at(source.path, what, line=line, column=min(len(fields), source.fields) + 1)
    return [
        _text(fields[column], source, i, line, texts)
        if i in texts
        else _number(fields[column], source, i, line)
        for i, column in enumerate(source.columns)
    ]


def _text(text: bytes, source: Input, used: int, line: int, texts: TextCodes) -> float:
    """Return the number of a text."""
    try:
        cleaned = text.decode() if texts.as_they_stand else _cleaned(text.decode())
    except UnicodeDecodeError as error:
        raise _error(
            f"byte 0x{text[error.start]:02x} is not UTF-8; save the file as UTF-8", source, used, line
        ) from None
    if not cleaned and not _allows_gaps(source):
        raise _error(
            f"{text.decode()!r} is missing; {HOW_TO_GO_ON}" if text else MISSING_TEXT, source, used, line
        )
    return texts.number_of(used, cleaned)


def _number(text: bytes, source: Input, used: int, line: int) -> float:
    """Parse a field of a used column."""
    dialect = source.dialect
    if text in MISSING and _allows_gaps(source):
        return np.nan
    if _NUMBERS[dialect.decimal].fullmatch(text):
        value = float(text.replace(b",", b"."))
        problem = problem_in(source, used, value)
        if problem is None:
            return value
        problem = f"{shortened(text.decode())} does not fit a float64" if np.isinf(value) else problem
    else:
        problem = _not_a_number(text, source, used)
    raise _error(problem, source, used, line)


def _error(what: str, source: Input, used: int, line: int) -> InputError:
    """Return an error about a field of a used column."""
    name = source.names[used] if source.names else ""
    return InputError.at(source.path, what, line=line, column=source.columns[used] + 1, name=name)


def _not_a_number(text: bytes, source: Input, used: int) -> str:
    """Say what a field is, and which option helps."""
    shown = text[:40].decode("utf-8", "backslashreplace") + ("…" if len(text) > 40 else "")
    what = f"{shown!r} is not a number" if text else EMPTY_FIELD
    if text in MISSING:
        return f"{what} ({HOW_TO_GO_ON if source.is_table else 'to leave such rows out: --missing drop'})"
    other = "," if source.dialect.decimal == "." else "."
    if _NUMBERS[other].fullmatch(text):
        return f"{what} (if {other} is its decimal point: --decimal {other})"
    if source.is_table and not _BEGINS_AS_NUMBER.match(text) and not _INFINITY.fullmatch(text):
        column = source.names[used] if source.names else source.columns[used] + 1
        return f"{what} (if the column holds categories: fit with --categories {shlex.quote(str(column))})"
    if text and len(source.columns) > 1 and not source.is_table and not _BEGINS_AS_NUMBER.match(text):
        return f"{what} (to leave the column out: --columns {columns_without(source.columns, used)})"
    return what
