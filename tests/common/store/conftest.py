"""What the tests of the store share."""

from pathlib import Path

import pytest

from common.store.node import NodeStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mappers" / "M1"


@pytest.fixture
def store(folder: Path) -> NodeStore:
    return NodeStore(folder, 1)
