"""Names are written and recognised by one module."""

from pathlib import Path

import pytest

from common.model import Role
from common.store.names import (
    checkpoint_name,
    is_checkpoint_name,
    is_node_name,
    node_name,
    partition_name,
    set_aside_name,
)


def test_names() -> None:
    assert [node_name(Role.MAPPER, 1), node_name(Role.REDUCER, 12)] == ["M1", "R12"]
    assert [partition_name(0), partition_name(9)] == ["partition_1", "partition_10"]


@pytest.mark.parametrize("number", [1, 12, 300])
def test_what_is_written_is_recognised(number: int) -> None:
    assert all(is_node_name(node_name(role, number)) for role in Role)
    assert is_checkpoint_name(checkpoint_name(number))


@pytest.mark.parametrize("name", ["M0", "M", "m1", "R01", "M1.txt", " M1", "X1"])
def test_other_names_are_no_nodes(name: str) -> None:
    assert not is_node_name(name)


@pytest.mark.parametrize("name", ["iteration_01.jsonl", "iteration_.jsonl", "iteration_1.jsonl.tmp"])
def test_other_names_are_no_checkpoints(name: str) -> None:
    assert not is_checkpoint_name(name)


def test_set_aside_within_the_folder() -> None:
    assert set_aside_name(Path("data/centroids.txt")) == Path("data/.centroids.txt.earlier")
