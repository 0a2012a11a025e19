"""Tables as pyarrow, polars, R and Excel write them, compressed or not, are read bit by bit, or refused.

What the library itself reads, with the right options, is what is expected. R and Excel are not here; what
they write is made by their rules.
"""

import bz2
import csv
import gzip
import io
import lzma
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.csv
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from common.formats.layout import TextOptions
from tests.common.formats.drawn import WAYS, read, tables

pandas: Any = pytest.importorskip("pandas")
polars: Any = pytest.importorskip("polars")


@dataclass
class Written:
    """A text, how we are told to read it, and the columns of numbers, rows that lack one included.

    Some texts have two meanings; these may be refused.
    """

    text: bytes
    options: TextOptions
    wanted: list[int]
    numbers: npt.NDArray[np.float64]
    may_be_refused: bool = False


def numeric(frame: Any) -> list[int]:
    return [i for i, name in enumerate(frame.columns) if name != "notes"]


def holds(frame: Any, marks: str) -> bool:
    """Tell whether some text of a frame has one of these marks."""
    notes = list(frame["notes"]) if "notes" in frame else []
    return any(mark in text for text in [*frame.columns, *notes] for mark in marks)


@st.composite
def by_pyarrow(draw: st.DrawFn, frame: Any) -> Written:
    header, delimiter = draw(st.booleans()), draw(st.sampled_from([",", ";", "\t", "|"]))
    style = draw(st.sampled_from(["needed", "all_valid", "none"]))
    assume(style != "none" or not holds(frame, f'{delimiter}"\n\r'))
    is_null = draw(st.booleans())  # or it is nan
    table = pyarrow.table({str(n): pyarrow.array(frame[n], from_pandas=is_null) for n in frame.columns})
    out = io.BytesIO()
    how = {"include_header": header, "delimiter": delimiter, "quoting_style": style}
    pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(**how))
    wanted = numeric(frame)
    names = [f"c{i}" for i in range(len(frame.columns))]
    theirs = pyarrow.csv.read_csv(
        io.BytesIO(out.getvalue()),
        pyarrow.csv.ReadOptions(column_names=names, skip_rows_after_names=0, skip_rows=0),
        pyarrow.csv.ParseOptions(
            delimiter=delimiter, quote_char=style != "none" and '"', newlines_in_values=True
        ),
        pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
    ).slice(int(header))
    columns = [theirs[names[i]].cast(pyarrow.string()) for i in wanted]
    numbers = [[float(text or "nan") for text in column.to_pylist()] for column in columns]
    options = TextOptions(
        header="yes" if header else "no",
        delimiter=delimiter,
        quote="none" if style == "none" else '"',
        missing="drop",
    )
    return Written(out.getvalue(), options, wanted, np.array(numbers).T)


@st.composite
def by_polars(draw: st.DrawFn, frame: Any) -> Written:
    comma, header = draw(st.booleans()), draw(st.booleans())
    separator = draw(st.sampled_from([";", "\t", "|"] + [","] * (not comma)))
    style = draw(st.sampled_from(["necessary", "always", "non_numeric", "never"]))
    assume(style != "never" or not holds(frame, f'{separator}"\n\r'))
    null = draw(st.sampled_from(["", "NA", "null", "?"]))
    theirs = polars.from_pandas(frame)
    text: str = theirs.write_csv(
        separator=separator,
        include_header=header,
        include_bom=draw(st.booleans()),
        line_terminator=draw(st.sampled_from(["\n", "\r\n"])),
        quote_style=style,
        null_value=null,
        decimal_comma=comma,
        float_scientific=draw(st.sampled_from([None, False])),
    )
    wanted = numeric(frame)
    kinds = [polars.Float64 if i in wanted else polars.String for i in range(len(frame.columns))]
    again = polars.read_csv(
        io.BytesIO(text.encode()),
        separator=separator,
        has_header=header,
        schema_overrides=kinds,
        quote_char=None if style == "never" else '"',
        null_values=[null, ""],
        decimal_comma=comma,
    )
    numbers = again.to_numpy()[:, wanted].astype(np.float64)
    options = TextOptions(
        header="yes" if header else "no",
        delimiter=separator,
        quote="none" if style == "never" else '"',
        decimal="," if comma else ".",
        missing="drop",
    )
    return Written(text.encode(), options, wanted, numbers)


@st.composite
def by_r(draw: st.DrawFn, frame: Any) -> Written:
    """As write.table does, and write.csv and write.csv2, which double quotes and name the row names."""
    function = draw(st.sampled_from(["table", "csv", "csv2"]))
    separator = {"table": draw(st.sampled_from([" ", "\t"])), "csv": ",", "csv2": ";"}[function]
    decimal = "," if function == "csv2" else "."
    quotes, row_names = draw(st.booleans()), draw(st.booleans())
    header = function != "table" or draw(st.booleans())
    assume(quotes or not holds(frame, f'{separator}"\n'))
    assume(quotes or separator != " " or not ("notes" in frame and (frame["notes"] == "").any()))
    escaped = '\\"' if function == "table" else '""'

    def quoted(text: str) -> str:
        return f'"{text.replace(chr(34), escaped)}"' if quotes else text

    def written(value: Any) -> str:
        if isinstance(value, str):
            return quoted(value)
        return "NA" if np.isnan(value) else f"{value:.15g}".replace(".", decimal)

    names = [""] * (row_names and function != "table") + list(frame.columns)
    lines = [[quoted(name) for name in names]] if header else []
    for i, row in enumerate(frame.itertuples(index=False), 1):
        lines.append([quoted(str(i))] * row_names + [written(value) for value in row])
    text = "".join(separator.join(line) + "\n" for line in lines)
    one_short = header and row_names and function == "table"
    numbers = frame.iloc[:, numeric(frame)].map(lambda x: float(f"{x:.15g}")).to_numpy(np.float64)
    options = TextOptions(
        header="yes" if header else "no",
        delimiter=draw(st.sampled_from([separator, "space" if separator == " " else separator])),
        quote='"' if quotes else "none",
        decimal=decimal,  # type: ignore[arg-type]
        missing="drop",
    )
    unsure = function == "table" and ('\\"' in text or (one_short and not quotes))
    return Written(text.encode(), options, [i + row_names for i in numeric(frame)], numbers, unsure)


@st.composite
def by_excel(draw: st.DrawFn, frame: Any) -> Written:
    """As "CSV UTF-8" is saved where the decimal point is a comma, perhaps with a line of the delimiter."""
    told, separator = draw(st.booleans()), draw(st.sampled_from([";", "\t"]))
    plain = frame.astype(object).map(
        lambda x: x if isinstance(x, str) else "" if np.isnan(x) else f"{x:.15G}".replace(".", ",")
    )
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(frame.columns)
    writer.writerows(plain.itertuples(index=False))
    lines = out.getvalue()
    beginning = draw(st.sampled_from(["", "\ufeff"])) + f"sep={separator}\r\n" * told
    theirs = pandas.read_csv(
        io.StringIO(lines, newline=""),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    wanted = numeric(frame)
    numbers = theirs.iloc[:, wanted].map(lambda text: float(text.replace(",", ".") or "nan"))
    options = TextOptions(header="yes", delimiter=None if told else separator, decimal=",", missing="drop")
    return Written((beginning + lines).encode(), options, wanted, numbers.to_numpy(np.float64))


def zstd(text: bytes) -> bytes:
    out = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(out, "zstd") as file:
        file.write(text)
    return bytes(out.getvalue())


NO_ROW = "each row lacks a number|no row of numbers|the file is empty"
WRITERS = [by_pyarrow, by_polars, by_r, by_excel]
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("others") / "table.csv"


@settings(max_examples=200)
@given(
    data=st.data(),
    frame=tables(),
    writer=st.sampled_from(WRITERS),
    packing=st.sampled_from(sorted(PACKINGS)),
    members=st.integers(1, 2),
    n=st.integers(1, 4),
    way=st.sampled_from(WAYS),
)
def test_what_others_have_written(
    path: Path,
    data: st.DataObject,
    frame: Any,
    writer: Any,
    packing: str,
    members: int,
    n: int,
    way: tuple[int, int],
) -> None:
    written = data.draw(writer(frame))
    last = frame.iloc[:, -1]
    assume(written.options.header == "yes" or not (last.isna() | (last == "")).all())
    cut = len(written.text) // members  # a compressed file may have several members
    pack = PACKINGS[packing]
    path.write_bytes(b"".join(pack(part) for part in (written.text[:cut], written.text[cut:]) if part))
    expected = written.numbers[~np.isnan(written.numbers).any(axis=1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.formats.parsing._SHORT_BYTES", way[0])
        patch.setattr("common.formats.line_index._PIECE_BYTES", way[1])
        if not len(expected):
            with pytest.raises(InputError, match=None if written.may_be_refused else NO_ROW):
                list(read(path, written.wanted, written.options, n))
            return
        with suppress(InputError) if written.may_be_refused else nullcontext():
            rows = np.concatenate(list(read(path, written.wanted, written.options, n)))
            assert rows.tobytes() == expected.tobytes()
