"""How a text file is to be read, told from its first rows and what the user says of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from common.errors import EmptyInputError, InputError, UsageError, counted, shortened
from common.formats.columns import ChosenColumns, ColumnChoice, choose, position_list
from common.formats.fields import MISSING, split_fields
from common.formats.header import is_header
from common.model import Dialect

HEAD_ROWS = 20
"""So many rows, with a header, tell how a file is to be read."""
DELIMITERS = {"tab": "\t", "space": "", "comma": ",", "semicolon": ";"}
MARK_NAMES = {"": "white space", " ": "one space"} | {mark: name for name, mark in DELIMITERS.items() if mark}
"""What the delimiters are called that say little when they are printed."""
_MARKS = (";", "\t", ",")
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?\s*', re.IGNORECASE)
_NUMBER = re.compile(rb"[+-]?(?:\d+[.,]?\d*|[.,]\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class TextOptions:
    """What the user says of a text file; the defaults leave it to the file."""

    header: Literal["auto", "yes", "no"] = "auto"
    delimiter: str | None = None
    quote: str = '"'
    decimal: Literal[".", ","] = "."
    comment: str | None = None
    skip_rows: int = 0
    missing: Literal["error", "drop"] = "error"
    repeated: tuple[str, ...] | None = None
    """The names in the first of several files: a first row of them is a header, and no other."""

    @property
    def dialect(self) -> Dialect:
        """What of it says how rows are cut."""
        return Dialect(
            quote="" if self.quote == "none" else self.quote,
            decimal=self.decimal,
            comment=self.comment or "",
            drops_missing=self.missing == "drop",
        )


TEXT_DEFAULTS = TextOptions()


def check_marks(options: TextOptions) -> None:
    """Raise UsageError if a mark is not one ASCII character, or stands for two things."""
    quote, comment = options.quote.replace("none", ""), options.comment or ""
    delimiter = DELIMITERS.get(options.delimiter or "", options.delimiter or "")
    for name, mark in (("delimiter", delimiter), ("quote", quote), ("comment", comment)):
        if len(mark) > 1 or not mark.isascii() or mark in ("\r", "\n"):
            raise UsageError(f"--{name} {mark}: it must be one ASCII character")
    marks = [mark for mark in (delimiter, quote, comment, options.decimal) if mark]
    if len(set(marks)) < len(marks):
        raise UsageError("--delimiter, --quote, --comment and --decimal must differ")


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are to be read.

    `first` is which of the head's rows is the first of numbers. `names` are those of all columns, if the row
    before has them; a column without a name has an empty one.
    """

    dialect: Dialect
    first: int
    names: tuple[str, ...]
    fields: int
    chosen: ChosenColumns


def layout_of(
    path: str, head: Sequence[tuple[int, bytes]], choice: ColumnChoice, options: TextOptions
) -> Layout:
    """Tell a file's layout from its first rows, each with the number of its line.

    Raise InputError if there is no row, or if the first may be one or a header; UsageError if there is no
    such column.
    """
    said, skipped = options.delimiter, 0
    if head and said is None and (separator := _SEPARATOR_LINE.fullmatch(head[0][1])):
        said, skipped = separator[1].decode("latin-1"), 1
    if not (rows := head[skipped:]):
        raise EmptyInputError.at(path, "the file is empty; expected one row of numbers on each line")
    guessed = _guess_delimiter([row for _, row in rows], options.dialect) if said is None else said
    dialect = replace(options.dialect, delimiter=DELIMITERS.get(guessed, guessed))
    cut = [_cut(path, *row, dialect) for row in rows]
    names = _names(path, rows, cut, options, dialect.delimiter)
    if len(cut) == bool(names):
        raise EmptyInputError.at(path, "the file has a header but no row of numbers", line=rows[0][0])
    body = rows[bool(names) :]
    names, trailing = _without_surplus(names, cut[bool(names) :])
    fields = len(cut[-len(body)]) - trailing
    names_rows = bool(names) and len(names) == fields - 1 and _have_names(body, dialect)
    names = [""] * names_rows + names
    if not names and options.repeated:  # the header stands in the first file alone
        names, names_rows = list(options.repeated), True
    if names and len(names) != fields:
        what = f"{counted(fields, 'column')}, but the header has {counted(len(names), 'name')}"
        raise InputError.at(path, what, line=body[0][0])
    candidates = range(fields)
    if choice.wanted is None:
        candidates = _all_but_row_names(path, names, fields, names_rows=names_rows)
    chosen = choose(path, choice, names, candidates, fields, _hold_texts(cut[-len(body) :]))
    found = replace(dialect, trailing=trailing)
    return Layout(found, len(head) - len(body), tuple(names), fields, chosen)


def _without_surplus(names: list[str], body: list[list[bytes]]) -> tuple[list[str], bool]:
    """Leave out the empty name after a delimiter that ends the header, and tell whether one ends each row."""
    most = max(map(len, body))
    trailing = most > 1 and all(len(row) == most and not row[-1] for row in body)
    if names[-1:] == [""] and len(names) == most + 1 - trailing:
        names = names[:-1]
    return names, trailing and (not names or len(names) < most)


def _have_names(body: Sequence[tuple[int, bytes]], dialect: Dialect) -> bool:
    """Tell whether each row begins with a name, in quotes or no number, as R writes them."""
    begin = [(row.lstrip(), split_fields(row, dialect)[0]) for _, row in body]
    quote = dialect.quote.encode()
    return all((quote and row.startswith(quote)) or not _NUMBER.fullmatch(first) for row, first in begin)


def _hold_texts(rows: list[list[bytes]]) -> list[int]:
    """Return the columns that hold texts, and no number, in these rows."""
    columns = [[field for field in fields if field not in MISSING] for fields in zip(*rows, strict=False)]
    return [i for i, known in enumerate(columns) if known and not any(map(_NUMBER.fullmatch, known))]


def _all_but_row_names(path: str, names: list[str], fields: int, *, names_rows: bool) -> range:
    """Return which columns to use if the user does not say; InputError if nobody can know."""
    if len(names) < 2 or names[0]:
        return range(fields)
    others = position_list(range(2, len(names) + 1))
    if names_rows:
        return range(1, fields)
    what = "the first column has no name; if it only counts or names the rows, leave it out with --columns"
    raise InputError.at(path, f"{what} {others}, else use --columns 1-{len(names)}")


def _guess_delimiter(rows: Sequence[bytes], dialect: Dialect) -> str:
    """Take the delimiter that leaves most numbers; white space only if it leaves more than any other."""

    def numbers(delimiter: str) -> int:
        tried = replace(dialect, delimiter=delimiter)
        return sum(
            _NUMBER.fullmatch(field) is not None for row in rows for field in _fields_or_none(row, tried)
        )

    marks = [mark for mark in _MARKS if any(mark.encode() in row for row in rows)]
    return max([*marks, ""], key=numbers)


def _fields_or_none(row: bytes, dialect: Dialect) -> list[bytes]:
    """Cut a row; no fields if its quotes are wrong."""
    try:
        return split_fields(row, dialect)
    except ValueError:
        return []


def _cut(path: str, line: int, row: bytes, dialect: Dialect) -> list[bytes]:
    try:
        return split_fields(row, dialect)
    except ValueError as error:
        raise InputError.at(path, str(error), line=line) from None


def _names(
    path: str, rows: Sequence[tuple[int, bytes]], cut: list[list[bytes]], options: TextOptions, delimiter: str
) -> list[str]:
    """Return the names in the first row, if it is a header."""
    line, first = rows[0]
    below = cut[1] if len(cut) > 1 else []
    is_names: bool | None = options.header == "yes"
    if options.repeated is not None:
        texts = [name.decode("utf-8", "replace").strip("\"'") for name in cut[0]]
        is_names = list(filter(None, texts)) == list(filter(None, options.repeated))
        if not is_names and options.header != "no" and is_header(cut[0], below, delimiter):
            what = (
                "its first row seems to be a header, but not that of the first file; all must have the same"
            )
            raise InputError.at(path, what, line=line)
    elif options.header == "auto":
        is_names = is_header(cut[0], below, delimiter)
    if is_names is None:
        shown = shortened(first.decode("utf-8", "replace").strip())
        what = f"{shown!r} may be the names of the columns, or a row; say which: --header yes or --header no"
        raise InputError.at(path, what, line=line)
    return [name.decode("utf-8", "replace").strip("\"'") for name in cut[0]] if is_names else []
