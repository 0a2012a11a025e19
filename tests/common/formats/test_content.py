"""What a file is, told by its first bytes: which files are read, and what is said of the others."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet
import pytest

from common.errors import InputError, UsageError
from common.formats.content import format_of_bytes, format_of_file
from common.formats.dataset import open_input, open_lines
from common.formats.layout import TextOptions
from common.model import InputFormat

SAVE_TABLE = "save the table as CSV or Parquet"
PICKLE = "not text: it is a Python pickle; save the array with numpy.save, or the table as Parquet"
HDF5 = (
    "not text: it is an HDF5 file (.h5, or .mat of MATLAB 7.3); "
    "save the array with numpy.save, or the table as Parquet"
)
IMAGE = "not text: it is an image; save its pixels, one a row, with numpy.save"
BINARY = "not text: it is binary data, or UTF-16; save it as UTF-8 text (CSV), .npy or Parquet"
JSON = "it looks like JSON; write one row a line, as 1,2"
ARFF = "it is an ARFF file (Weka); delete the lines up to @data, so that rows of CSV remain"
SVMLIGHT = "it is an svmlight (libsvm) file; write all columns, zeros too, as CSV, .npy or Parquet"
WEB = f"it is a web page or XML; {SAVE_TABLE}"
UTF_16 = "it is text in UTF-16; save it as UTF-8"


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "1,2\n")
    return out.getvalue()


def orc() -> bytes:
    out = io.BytesIO()
    pyarrow.orc.write_table(pyarrow.table({"x": [1.0, 2.0]}), out)
    return out.getvalue()


def arrow_stream() -> bytes:
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, pyarrow.schema({"x": pyarrow.float64()})):
        pass
    return out.getvalue()


def sqlite() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (x REAL)")
        return connection.serialize()


REFUSED: dict[str, tuple[bytes, str]] = {
    "gzip_twice": (gzip.compress(gzip.compress(b"1,2\n")), "it is compressed by gzip; unpack it first"),
    "bzip2_in_xz": (lzma.compress(bz2.compress(b"1,2\n")), "it is compressed by bzip2; unpack it first"),
    "lz4": (b"\x04\x22\x4d\x18\x40", "it is compressed by lz4; unpack it first"),
    "utf_16": ("1,2\n".encode("utf-16"), UTF_16),
    "zip": (zipped("data.csv"), "not text: it is a zip archive; unpack it first"),
    "empty_zip": (zipped(), "not text: it is an archive; unpack it first"),
    "damaged_zip": (b"PK\3\4...", "it is a damaged zip archive (File is not a zip file)"),
    "xlsx": (
        zipped("[Content_Types].xml", "xl/workbook.xml"),
        "not text: it is an Excel workbook (.xlsx); save the sheet as CSV or Parquet",
    ),
    "ods": (
        zipped("mimetype", "content.xml"),
        "not text: it is an OpenDocument file (.ods); save the sheet as CSV or Parquet",
    ),
    "xls": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "not text: it is an old Excel workbook (.xls) or Office file; save the sheet as CSV or Parquet",
    ),
    "feather_1": (b"FEA1\0\0\0\0", f"not text: it is a Feather file of version 1; {SAVE_TABLE}"),
    "arrow_stream": (
        arrow_stream(),
        "not text: it is an Arrow stream; save the table as an Arrow file (Feather) or Parquet",
    ),
    "encrypted_parquet": (
        b"PARE\x15\4",
        "not text: it is an encrypted Parquet file; save it without encryption",
    ),
    "orc": (orc(), "not text: it is an ORC file; save the table as Parquet"),
    "avro": (b"Obj\1\4\x16avro.schema", "not text: it is an Avro file; save the table as Parquet"),
    "hdf5": (b"\x89HDF\r\n\x1a\n\0\0\0\0", HDF5),
    "mat_7_3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64", HDF5),
    "mat_5": (
        b"MATLAB 5.0 MAT-file Platform: posix",
        "not text: it is a MATLAB file (.mat); save the matrix as CSV, or with numpy.save",
    ),
    "pickle_of_array": (pickle.dumps(np.zeros(3)), PICKLE),
    "pickle_of_list": (pickle.dumps([1, 2]), PICKLE),
    "old_pickle": (pickle.dumps({"x": (1, 2)}, protocol=2), PICKLE),
    "r": (b"RDX3\nX\n\0\0", "not text: it is an R data file; save the table with write.csv"),
    "stata": (b"<stata_dta><header>", f"not text: it is a file of Stata or SPSS; {SAVE_TABLE}"),
    "sqlite": (sqlite(), "not text: it is an SQLite database; save the table as CSV"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", f"not text: it is a PDF document; {SAVE_TABLE}"),
    "png": (b"\x89PNG\r\n\x1a\n", IMAGE),
    "jpeg": (b"\xff\xd8\xff\xe0", IMAGE),
    "raw_numbers": (np.random.default_rng(0).normal(size=100).tobytes(), BINARY),
    "utf_16_without_mark": ("1,2\n3,4\n".encode("utf-16-le"), BINARY),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n",
        "it is a Git LFS pointer, not the data; run git lfs pull",
    ),
    "not_found": (
        b"404: Not Found",
        "it is a saved error page (404: Not Found); download the file again",
    ),
    "html": (b"\n\n<!DOCTYPE html>\n<html>", WEB),
    "html_in_capitals": (b"<HTML><BODY>", WEB),
    "xml": (b"\xef\xbb\xbf<?xml version='1.0'?>", WEB),
    "json_of_rows": (b"[1, 2]\n[2, 1]\n", JSON),
    "json_of_objects": (b'[\n  {"x": 1}\n]', JSON),
    "json_lines": (b'{"x": 1, "y": 2}\n', JSON),
    "arff": (b"% iris\r\n%\r\n\r\n  @RELATION iris\r\n", ARFF),
    "arff_after_pages": (b"% comment\n" * 2000 + b"@relation iris\n", ARFF),
    "svmlight": (b"1 1:0.5 2:0.3\n-1 2:1e-3 3:4\n", SVMLIGHT),
    "svmlight_with_comment": (b"+1 3:-.5 20:1 # a\r\n", SVMLIGHT),
}
READ: dict[str, bytes] = {
    "nothing": b"",
    "numbers": b"1,2\n",
    "names_in_brackets": b"[x],[y]\n1,2\n",
    "names_in_angles": b"<DATE>,<OPEN>\n1,2\n",
    "name_like_parquet": b"PAR1,PAR2\n1,2\n",
    "name_like_arrow": b"ARROW1\n1\n",
    "name_like_feather": b"FEA1 FEA2\n1 2\n",
    "name_like_orc": b"ORCID,x\n1,2\n",
    "name_like_bitmap": b"BMI,age\n1,2\n",
    "name_like_tiff": b"II,MM\n1,2\n",
    "name_like_pickle": "\u20acx,y\n1,2\n".encode("cp1252"),
    "percent": b"%,x\n1,2\n",
    "comment": b"% comment\n1,2\n",
    "times": b"1 12:30\n2 13:45\n",
    "status": b"404,2\n404,3\n",
    "a_slip": b"1,2\n3,\0\n",
}


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "points.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        open_input(path)
    assert str(refused.value) == f"{path}: {message}"


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_text_is_not_taken_for_anything_else(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "points.npy"
    path.write_bytes(content)
    assert format_of_file(path) is InputFormat.TEXT
    assert format_of_bytes("points", content) is InputFormat.TEXT


@pytest.mark.parametrize("kind", ["json_lines", "html", "arff", "svmlight", "lfs"])
def test_lines_of_text_may_be_of_any_kind(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "words"
    path.write_bytes(REFUSED[kind][0])
    assert open_lines(path).input.format is InputFormat.LINES


@pytest.mark.parametrize("kind", ["lz4", "xls", "pdf", "pickle_of_list", "empty_zip"])
def test_lines_are_not_those_of_binary_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "words"
    path.write_bytes(REFUSED[kind][0])
    with pytest.raises(InputError) as refused:
        open_lines(path)
    assert str(refused.value) == f"{path}: {REFUSED[kind][1]}"


@pytest.mark.parametrize("beginning", [b"[", b"% \n", b"1 1:1 ", b"\n", b" ", b"\0", b"{ "])
def test_a_long_beginning_is_told_in_a_moment(beginning: Any) -> None:
    content = (beginning * (1 << 16))[: 1 << 16]
    try:
        assert format_of_bytes("points", content) is InputFormat.TEXT
    except InputError as refused:
        assert str(refused).startswith("points: ")  # noqa: PT017


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (TextOptions(header="yes"), "--header yes"),
        (TextOptions(delimiter="tab"), "--delimiter tab"),
        (TextOptions(quote="none"), "--quote none"),
        (TextOptions(decimal=","), "--decimal ,"),
        (TextOptions(comment="#", missing="drop"), "--comment #"),
        (TextOptions(skip_rows=2), "--skip-rows 2"),
        (TextOptions(missing="drop"), "--missing drop"),
    ],
)
@pytest.mark.parametrize("name", ["Parquet", "Arrow", "NumPy"])
def test_what_is_said_of_text_is_refused_for_other_files(
    tmp_path: Path, name: str, options: TextOptions, named: str
) -> None:
    path, table = tmp_path / "a.csv", pyarrow.table({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    if name == "NumPy":
        path.write_bytes(npy())
    else:
        write = pyarrow.parquet.write_table if name == "Parquet" else pyarrow.feather.write_feather
        write(table, str(path))
    for each in (path, tmp_path):
        assert open_input(each).input.rows == 2
        with pytest.raises(UsageError) as refused:
            open_input(each, options=options)
        assert str(refused.value) == f"{named}: {path} is {name}, not text"


def npy() -> bytes:
    out = io.BytesIO()
    np.save(out, np.eye(2))
    return out.getvalue()
