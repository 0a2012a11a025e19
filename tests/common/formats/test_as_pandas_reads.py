"""Tables as pandas writes them: what pandas reads with the right options is read here, bit by bit."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from common.errors import InputError
from common.formats.layout import TextOptions
from tests.common.formats.drawn import WAYS, read, tables

pandas: Any = pytest.importorskip("pandas")


@st.composite
def conventions(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how pandas is to write a frame."""
    decimal = draw(st.sampled_from([".", ","]))
    return {
        "sep": draw(st.sampled_from([",", ";", "\t", "|"] if decimal == "." else [";", "\t", "|"])),
        "decimal": decimal,
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
        "na_rep": draw(st.sampled_from(["", "NA", "null", "?"])),
        "header": draw(st.booleans()),
        "index": draw(st.booleans()),
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pandas") / "table.csv"


@settings(max_examples=150)
@given(frame=tables(), how=conventions(), n=st.integers(1, 4), way=st.sampled_from(WAYS))
def test_what_pandas_has_written(
    path: Path, frame: Any, how: dict[str, Any], n: int, way: tuple[int, int]
) -> None:
    last = frame.iloc[:, -1]
    assume(how["header"] or not (last.isna() | (last == "")).all())  # else it is a surplus delimiter
    text = frame.to_csv(**how, encoding="utf-8")
    path.write_bytes(text.encode())
    wanted = [i + how["index"] for i, name in enumerate(frame.columns) if name != "notes"]
    theirs = pandas.read_csv(
        io.StringIO(text, newline=""),
        sep=how["sep"],
        dtype=str,
        header=0 if how["header"] else None,
        na_values=["?"],
    )
    numbers = theirs.iloc[:, wanted].dropna().map(lambda text: float(text.replace(",", ".")))
    expected = numbers.to_numpy(np.float64)
    options = TextOptions(
        header="yes" if how["header"] else "no", delimiter=how["sep"], decimal=how["decimal"], missing="drop"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.formats.parsing._SHORT_BYTES", way[0])
        patch.setattr("common.formats.line_index._PIECE_BYTES", way[1])
        if not len(expected):
            with pytest.raises(InputError, match="each row lacks a number"):
                list(read(path, wanted, options, n))
        else:
            assert np.concatenate(list(read(path, wanted, options, n))).tobytes() == expected.tobytes()
