"""Names are written and recognised by one module."""

import pytest

from common.model import Role
from common.store.names import (
    checkpoint_name,
    is_checkpoint_name,
    is_file_name,
    is_folder_name,
    is_node_name,
    is_set_aside_name,
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
    assert set_aside_name("M1") == ".M1.earlier"
    assert is_set_aside_name(set_aside_name("M1"))


@pytest.mark.parametrize(
    "name",
    [
        *("manifest.txt", "map_output.arrow", "partition_12.txt", "output.txt", "iteration_0.jsonl"),
        *(
            "split_3_rows",
            "split_3_rows.starts",
            ".output.txt.1-2-3.tmp",
            ".split_1_rows.0123456789abcdef.tmp",
        ),
    ],
)
def test_files_of_ours(name: str) -> None:
    assert is_file_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "manifest.txt~",
            "output.csv",
            "partition_0.txt",
            "partition_1.txt.bak",
            "Output.txt",
            "output.txt\n",
        ),
        *(
            ".tmp",
            ".thesis.txt.1-2-3.tmp",
            ".output.txt.tmp",
            "split_3.txt",
            ".lock",
            ".mapreduce",
            "iteration_3",
        ),
    ],
)
def test_files_of_others(name: str) -> None:
    assert not is_file_name(name)


def test_folders_of_ours() -> None:
    assert all(map(is_folder_name, [".cache", "task_2", "iteration_30", "job_describe"]))
    assert not any(map(is_folder_name, ["cache", "task_force", "task_02", "iteration_0", "job_", "jobs"]))
