"""A run says that it compiles kernels if, and only if, it does."""

from dataclasses import replace
from pathlib import Path

import pytest

from common.formats.line_index import PLAIN
from common.model import Input, InputFormat
from master.run.first_use import waits_for_kernels

MANY = Input("in.npy", InputFormat.NPY, PLAIN, 16, tuple(range(16)), 1_000_000, 1, 0)


@pytest.mark.parametrize(
    ("source", "needed"),
    [
        (MANY, True),
        (replace(MANY, rows=1000), False),
        (replace(MANY, rows=1000, is_table=True), True),
        (replace(MANY, format=InputFormat.LINES), False),
    ],
)
def test_kernels_are_waited_for_once(tmp_path: Path, source: Input, needed: bool) -> None:
    assert waits_for_kernels(source, [tmp_path]) == needed
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "plain.nearest-47.py311.1.nbc").touch()
    assert not waits_for_kernels(source, [tmp_path])
