"""What a file is, told by its first bytes; its name tells nothing.

A row of the tables is a pattern that the bytes begin with, and what is said of such a file.
"""

import re
import zipfile
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TypeAlias

from common.errors import InputError, UsageError
from common.formats.layout import TextOptions
from common.formats.unpacking import COMPRESSIONS, compression_of, open_bytes
from common.model import InputFormat

HEAD_BYTES = 1 << 16
"""An ARFF file may begin with pages of comment."""

_Table: TypeAlias = Iterable[tuple[re.Pattern[bytes], str]]


def _table(rows: dict[bytes, str]) -> list[tuple[re.Pattern[bytes], str]]:
    return [(re.compile(pattern, re.DOTALL | re.IGNORECASE), what) for pattern, what in rows.items()]


_NO_TEXT_FOLLOWS = rb"(?![\t-\r -~])"
"""A header of text may begin with letters that mark a format."""

_READABLE = {
    re.compile(rb"PAR1" + _NO_TEXT_FOLLOWS): InputFormat.PARQUET,
    re.compile(rb"ARROW1" + _NO_TEXT_FOLLOWS): InputFormat.ARROW,
    re.compile(rb"\x93NUMPY"): InputFormat.NPY,
}
_NO_TEXT = {InputFormat.PARQUET: "Parquet", InputFormat.ARROW: "Arrow", InputFormat.NPY: "NumPy"}
_ZIP = b"PK\3\4"

_COMPRESSED = [
    *((magic, f"it is compressed by {name}; unpack it first") for name, (magic, _) in COMPRESSIONS.items()),
    *_table(
        {
            rb"\x04\x22\x4d\x18": "it is compressed by lz4; unpack it first",
            rb"\xff\xfe|\xfe\xff": "it is text in UTF-16; save it as UTF-8",
        }
    ),
]
_AS_TABLE = "save the table as CSV or Parquet"
_BINARY = _table(
    {
        rb"PK[\x03\x05]|7z\xbc\xaf\x27\x1c|Rar!\x1a|.{257}ustar": "an archive; unpack it first",
        rb"FEA1" + _NO_TEXT_FOLLOWS: f"a Feather file of version 1; {_AS_TABLE}",
        rb"\xff{4}.{4}\x10\0\0\0": "an Arrow stream; save the table as an Arrow file (Feather) or Parquet",
        rb"PARE" + _NO_TEXT_FOLLOWS: "an encrypted Parquet file; save it without encryption",
        rb"ORC(?=.*\0)": "an ORC file; save the table as Parquet",
        rb"Obj\x01": "an Avro file; save the table as Parquet",
        rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Excel workbook (.xls) or Office file; "
        "save the sheet as CSV or Parquet",
        rb"MATLAB 7\.3 MAT-file|\x89HDF\r\n\x1a\n": "an HDF5 file (.h5, or .mat of MATLAB 7.3); "
        "save the array with numpy.save, or the table as Parquet",
        rb"MATLAB 5\.0 MAT-file": "a MATLAB file (.mat); save the matrix as CSV, or with numpy.save",
        rb"\x80[\x02-\x05][\x28\x5b\x5d\x63\x7d\x8a\x8c\x95]": "a Python pickle; "
        "save the array with numpy.save, or the table as Parquet",
        rb"RDX[23]\n|X\n\0\0\0[\x02\x03]": "an R data file; save the table with write.csv",
        rb"<stata_dta>|\$FL[23]": f"a file of Stata or SPSS; {_AS_TABLE}",
        rb"SQLite format 3\0": "an SQLite database; save the table as CSV",
        rb"%PDF-": f"a PDF document; {_AS_TABLE}",
        rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP|BM.{4}\0{4}": "an image; "
        "save its pixels, one a row, with numpy.save",
    }
)
_NUMBER = rb"[-+]?[\d.]+(?:e[-+]?\d+)?"
_NO_TABLE = _table(
    {
        rb"version https://git-lfs": "it is a Git LFS pointer, not the data; run git lfs pull",
        rb"404: Not Found\s*\Z": "it is a saved error page (404: Not Found); download the file again",
        rb"<(!doctype|!--|\?xml|html|head|body|table|svg)\b|<!--": f"it is a web page or XML; {_AS_TABLE}",
        rb"""\{\s*["}]|\[\s*[-\d"\[\]{]""": "it looks like JSON; write one row a line, as 1,2",
        rb"(?:[ \t]*+(?:%[^\n]*+)?\r?\n)*+[ \t]*@relation\b": "it is an ARFF file (Weka); "
        "delete the lines up to @data, so that rows of CSV remain",
        rb"%s(?:[ \t]+\d+:%s){2,}[ \t]*(?:#[^\n]*)?[\r\n]"
        % (_NUMBER, _NUMBER): "it is an svmlight (libsvm) file; "
        "write all columns, zeros too, as CSV, .npy or Parquet",
    }
)
_UNKNOWN = "not text: it is binary data, or UTF-16; save it as UTF-8 text (CSV), .npy or Parquet"
_TEXT_BYTES = bytes(set(range(256)) - set(range(32))) + b"\t\n\v\f\r"
_ZIPPED = {
    "xl/": "an Excel workbook (.xlsx); save the sheet as CSV or Parquet",
    "content.xml": "an OpenDocument file (.ods); save the sheet as CSV or Parquet",
    "word/": f"a Word document (.docx); {_AS_TABLE}",
}
"""What members of a zip archive, or their folders, tell."""


def format_of_file(path: Path) -> InputFormat:
    """Tell the format of a file of numbers; InputError if it is none that is read."""
    name = compression_of(path)
    head = _head_of(path)
    if head.startswith(_ZIP) and name is None:
        return _format_of_zip(path)
    kind = format_of_bytes(str(path), head)
    if name is not None and kind is not InputFormat.TEXT:
        raise InputError.at(str(path), f"it is a file of {kind} compressed by {name}; unpack it first")
    return kind


def format_of_bytes(path: str, head: bytes) -> InputFormat:
    """Tell the format of a file that begins with `head`; else as `format_of_file`."""
    for pattern, kind in _READABLE.items():
        if pattern.match(head):
            return kind
    _refuse_binary(path, head)
    if _is_binary(head[:1024]):
        raise InputError.at(path, _UNKNOWN)
    _refuse(path, head.removeprefix(b"\xef\xbb\xbf").lstrip(), _NO_TABLE)
    return InputFormat.TEXT


def refuse_text_options(path: str, kind: InputFormat, options: TextOptions) -> None:
    """Raise UsageError if the user says how text is to be read, and the file is none."""
    if kind not in _NO_TEXT:
        return
    for field in fields(options):
        if (value := getattr(options, field.name)) != field.default:
            option = f"--{field.name.replace('_', '-')} {value}"
            raise UsageError(f"{option}: {path} is {_NO_TEXT[kind]}, not text")


def is_compressed(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is compressed, or text in UTF-16."""
    return any(pattern.match(head) for pattern, _ in _COMPRESSED)


def check_text(path: Path) -> None:
    """Raise InputError if the file is compressed or of a known binary format."""
    if (name := compression_of(path)) is not None:
        raise InputError.at(str(path), f"it is compressed by {name}; unpack it first")
    _refuse_binary(str(path), _head_of(path))


def _head_of(path: Path) -> bytes:
    with open_bytes(path) as file:
        return file.read(HEAD_BYTES)


def _format_of_zip(path: Path) -> InputFormat:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise InputError.at(str(path), f"it is a damaged zip archive ({error})") from None
    if names and all(name.endswith(".npy") for name in names):
        return InputFormat.NPY
    for beginning, what in _ZIPPED.items():
        if any(name.startswith(beginning) for name in names):
            raise InputError.at(str(path), f"not text: it is {what}")
    raise InputError.at(str(path), "not text: it is a zip archive; unpack it first")


def _is_binary(head: bytes) -> bool:
    """Tell whether there are more control characters than a slip leaves in a text."""
    return len(head.translate(None, _TEXT_BYTES)) > 4 + len(head) // 20


def _refuse_binary(path: str, head: bytes) -> None:
    _refuse(path, head, _COMPRESSED)
    _refuse(path, head, _BINARY, "not text: it is ")


def _refuse(path: str, head: bytes, table: _Table, beginning: str = "") -> None:
    for pattern, what in table:
        if pattern.match(head):
            raise InputError.at(path, beginning + what)
