"""Tables with columns of numbers and of texts, drawn from a seed, for classifiers."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

TARGET = "y"
NUMBERS, CLASSES = 30, ("a", "b", "c")
LEVELS = {"c0": 4, "c1": 20, "c2": 50}
"""How many texts each column of categories has."""
_ROWS_OF_A_GROUP = 100_000  # so that Spark has something to share out


def draw_table(rows: int, seed: int) -> pyarrow.Table:
    """Draw numbers that correlate, of four magnitudes, and categories; their weighted sums draw the class."""
    rng = np.random.default_rng(seed)
    mixed = np.eye(NUMBERS) + 0.3 / np.sqrt(NUMBERS) * rng.normal(size=(NUMBERS, NUMBERS))
    numbers = rng.normal(size=(rows, NUMBERS)) @ mixed
    scores = numbers @ rng.normal(scale=0.5, size=(NUMBERS, len(CLASSES)))
    columns = {f"x{i}": x * 10.0 ** (i % 4) for i, x in enumerate(numbers.T)}
    for name, levels in LEVELS.items():
        codes = rng.integers(levels, size=rows, dtype=np.int32)
        scores += rng.normal(size=(levels, len(CLASSES)))[codes]
        columns[name] = _texts(codes, [f"level {i}" for i in range(levels)])
    labels = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1).astype(np.int32)
    return pyarrow.table({**columns, TARGET: _texts(labels, list(CLASSES))})


def _texts(codes: np.ndarray, texts: list[str]) -> pyarrow.DictionaryArray:
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array(codes), pyarrow.array(texts))


def write_table(path: Path, rows: int, seed: int) -> None:
    """Write a drawn table as Parquet."""
    pyarrow.parquet.write_table(draw_table(rows, seed), path, row_group_size=_ROWS_OF_A_GROUP)
