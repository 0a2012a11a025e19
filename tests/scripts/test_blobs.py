"""Generated samples."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner

from scripts.blobs import main
from tests.programs import ROOT


def blobs(path: Path, *options: str) -> bytes:
    result = CliRunner().invoke(main, [*options, str(path)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return path.read_bytes()


def test_the_sample_is_the_generated_one(tmp_path: Path) -> None:
    assert blobs(tmp_path / "blobs.csv") == (ROOT / "data" / "input" / "blobs.csv").read_bytes()


def test_rows_columns_and_decimals(tmp_path: Path) -> None:
    text = blobs(
        tmp_path / "blobs.csv", "--rows", "7", "--columns", "3", "--clusters", "2", "--decimals", "1"
    )
    header, *rows = text.decode().splitlines()
    assert header == "x1,x2,x3"
    assert np.array([row.split(",") for row in rows], dtype=float).shape == (7, 3)
    assert all(len(number.partition(".")[2]) == 1 for row in rows for number in row.split(","))
