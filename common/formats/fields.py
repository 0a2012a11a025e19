"""The fields of a row of text."""

import csv
import re

from common.model import Dialect

MISSING = frozenset(
    b" #N/A #NA <NA> N/A n/a NA NULL null NaN nan -NaN -nan None ?".split(b" ")  # the first is empty
)
"""What stands for a number that is not known."""


def split_fields(row: bytes, dialect: Dialect) -> list[bytes]:
    """Cut a row into its fields, without quotes and white space around them.

    Raise ValueError if quotes stand anywhere but around a whole field.
    """
    quote, delimiter = dialect.quote.encode(), dialect.delimiter.encode()
    if quote and quote in row:
        return _split_quoted(row, dialect)
    if not delimiter:
        return re.split(rb"[ \t\v\f]+", row.strip())
    # A tab at an end of the line is a delimiter like any other, with an empty field beyond it.
    return [field.strip() for field in row.rstrip(b"\r\n").split(delimiter)]


def _split_quoted(row: bytes, dialect: Dialect) -> list[bytes]:
    text = row.decode("utf-8", "surrogateescape").rstrip("\r\n")
    if not dialect.delimiter:
        text = re.sub(r"[\t\v\f]", " ", text.strip())
    marks = {"delimiter": dialect.delimiter or " ", "quotechar": dialect.quote}
    try:
        (fields,) = csv.reader([text], **marks, skipinitialspace=True, strict=True)  # type: ignore[arg-type]
    except (csv.Error, ValueError):
        raise ValueError(
            f"a quote {dialect.quote} is not at both ends of a field (if it is part of a text: --quote none)"
        ) from None
    return [field.strip().encode("utf-8", "surrogateescape") for field in fields]
