"""Tables drawn by hypothesis, and ways to read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from common.formats.dataset import open_input, plan_splits, read_blocks
from common.formats.layout import TextOptions
from common.model import FloatType

pandas: Any = pytest.importorskip("pandas")

WAYS = [(1 << 18, 8 << 20), (0, 8 << 20), (0, 64), (1 << 18, 16)]
NUMBERS = st.floats(-1e100, 1e100) | st.integers(-(10**6), 10**6).map(float)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
NOTES = st.text(st.sampled_from("ab \"',;\t\n1"), max_size=8)


@st.composite
def tables(draw: st.DrawFn) -> Any:
    """Draw a frame: columns of numbers, some missing, and perhaps a column of notes."""
    rows, columns = draw(st.integers(2, 12)), draw(st.integers(1, 4))
    names = draw(
        st.lists(NAMES.map(lambda name: f"n{name}"), min_size=columns, max_size=columns, unique=True)
    )
    numbers = st.lists(NUMBERS | st.just(np.nan), min_size=rows, max_size=rows)
    frame = pandas.DataFrame({name: draw(numbers) for name in names})
    if draw(st.booleans()):
        frame.insert(
            draw(st.integers(0, columns)), "notes", draw(st.lists(NOTES, min_size=rows, max_size=rows))
        )
    return frame


def read(path: Path, wanted: list[int], options: TextOptions, n: int) -> Iterator[Any]:
    columns = ",".join(str(column + 1) for column in wanted)
    file = open_input(path, columns, FloatType.FLOAT64, options)
    for split in plan_splits(file, n):
        yield from read_blocks(file.input, split)
