"""What is removed, and what stays."""

from pathlib import Path

import pytest

from common.store.files import open_folder, remove_folder
from common.store.folders import clean_after_run
from common.store.node import clean_before_run


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_only_what_is_ours_is_removed_from_a_folder(tmp_path: Path) -> None:
    make(tmp_path, "node/.mapreduce", "node/output.txt", "node/task_2/map_output.txt", "target/output.txt")
    others = [
        "node/notes.txt",
        "node/task_3/.notes.txt.1-1-1.tmp",
        "node/other/output.txt",
        "target/output.txt",
    ]
    make(tmp_path, *others)
    for name in ("node/task_4", "node/task_2/job_x"):
        (tmp_path / name).symlink_to(tmp_path / "target")
    (tmp_path / "node" / "map_output.txt").symlink_to(tmp_path / "target" / "output.txt")
    with open_folder(tmp_path) as parent:
        remove_folder("node", parent)
    assert left(tmp_path) == {
        *("node/.mapreduce", "node/map_output.txt", *others),
    }
    assert all((tmp_path / name).is_symlink() for name in ("node/task_4", "node/task_2/job_x"))


def test_a_folder_of_ours_alone_is_removed(tmp_path: Path) -> None:
    make(
        tmp_path,
        "node/.mapreduce",
        "node/manifest.txt",
        "node/iteration_1/task_2/output.txt",
        "node/.cache/split_1_rows",
    )
    with open_folder(tmp_path) as parent:
        remove_folder("node", parent)
    assert list(tmp_path.iterdir()) == []


NODE = [
    ".lock",
    "manifest.txt",
    "notes.txt",
    "output.txt",
    "partition_1.txt",
    ".output.txt.1-1-1.tmp",
    ".cache/split_1_rows",
    ".cache/.split_1_rows.0123456789abcdef.tmp",
    "job_describe/map_output.txt",
]


@pytest.fixture
def node(tmp_path: Path) -> Path:
    make(tmp_path, *NODE)
    (tmp_path / "manifest.txt").write_text("attempt=1 task=1 job=lloyd\noutput.txt size_bytes=0\n")
    return tmp_path


def left(node: Path) -> set[str]:
    return {str(path.relative_to(node)) for path in node.rglob("*") if path.is_file()}


def test_before_a_run_only_what_is_finished_stays(node: Path) -> None:
    with open_folder(node) as opened:
        clean_before_run(opened)
    assert left(node) == {".lock", "manifest.txt", "notes.txt", "output.txt", ".cache/split_1_rows"}


def test_after_a_run_only_what_people_read_stays(node: Path) -> None:
    with open_folder(node) as opened:
        clean_after_run(opened)
    assert left(node) == {".lock", "manifest.txt", "notes.txt", "output.txt", "partition_1.txt"}
