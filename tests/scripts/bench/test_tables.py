"""The tables are drawn from a seed."""

from pathlib import Path

import numpy as np
import pandas as pd

from scripts.bench.tables import CLASSES, LEVELS, NUMBERS, TARGET, draw_table, write_table


def test_a_table_follows_from_the_seed() -> None:
    table = draw_table(1000, seed=1)
    assert table.equals(draw_table(1000, seed=1))
    assert not table.equals(draw_table(1000, seed=2))


def test_a_table_has_numbers_categories_and_classes(tmp_path: Path) -> None:
    write_table(tmp_path / "table.parquet", 2000, seed=0)
    frame = pd.read_parquet(tmp_path / "table.parquet")
    assert frame.shape == (2000, NUMBERS + len(LEVELS) + 1)
    assert set(frame[TARGET]) == set(CLASSES)
    assert {name: frame[name].nunique() for name in LEVELS} == LEVELS
    assert np.isfinite(frame.select_dtypes("number")).all(axis=None)
