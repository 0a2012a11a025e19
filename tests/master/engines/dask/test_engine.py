"""Rows of a file in parts; the engine's runs are tested in tests/engines."""

from pathlib import Path

from common.formats.dataset import open_input
from master.engines.dask.engine import Parts


def test_a_part_is_a_split(tmp_path: Path) -> None:
    path = tmp_path / "points.csv"
    path.write_text("1,2\n" * 7)
    rows = Parts.of_file(open_input(path), 3)
    assert rows.row_starts == (0, 2, 4)
    assert [(part.split.row_start, part.split.row_stop) for part in rows.parts] == [(0, 2), (2, 4), (4, 7)]
