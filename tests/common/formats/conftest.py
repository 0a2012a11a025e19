"""What the tests of the formats share."""

from pathlib import Path

import pytest

from common.formats import columns


@pytest.fixture(params=[1 << 20, 32], ids=["one_block", "many_blocks"])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BLOCK_BYTES", request.param)


@pytest.fixture
def npy_path(tmp_path: Path) -> Path:
    return tmp_path / "points.npy"


@pytest.fixture
def parquet_path(tmp_path: Path) -> Path:
    return tmp_path / "points.parquet"
