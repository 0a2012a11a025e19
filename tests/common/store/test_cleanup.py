"""What is removed, and what stays."""

from pathlib import Path

import pytest

from common.store.files import remove, remove_leftovers
from common.store.folders import clean_after_run
from common.store.node import clean_before_run
from tests.common.store.attempts import tree


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize("name", ["file", "folder", "link", "missing"])
def test_remove_does_not_follow_links(tmp_path: Path, name: str) -> None:
    make(tmp_path, "file", "folder/inner", "target/kept")
    (tmp_path / "link").symlink_to("target")
    remove(tmp_path / name)
    assert name not in {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "target" / "kept").exists()


def test_leftovers_of_one_file(tmp_path: Path) -> None:
    make(tmp_path, "x[1].txt", ".x[1].txt.77-1.tmp", ".x1.txt.77-1.tmp", ".x[1].txt.other")
    remove_leftovers(tmp_path / "x[1].txt")
    assert tree(tmp_path) == [".x1.txt.77-1.tmp", ".x[1].txt.other", "x[1].txt"]


NODE = [
    ".lock",
    "manifest.txt",
    "out.txt",
    "unlisted.txt",
    ".out.txt.1-1-1.tmp",
    ".cache/split_1_points",
    ".cache/.split_1_points.77-1.tmp",
    "job_describe/lost.txt",
]


@pytest.fixture
def node(tmp_path: Path) -> Path:
    make(tmp_path, *NODE)
    (tmp_path / "manifest.txt").write_text("attempt=1 task=1 job=lloyd\nout.txt size_bytes=0\n")
    return tmp_path


def left(node: Path) -> set[str]:
    return {str(path.relative_to(node)) for path in node.rglob("*") if path.is_file()}


def test_before_a_run_only_what_is_finished_stays(node: Path) -> None:
    clean_before_run(node)
    assert left(node) == {".lock", "manifest.txt", "out.txt", ".cache/split_1_points"}


def test_after_a_run_only_what_people_read_stays(node: Path) -> None:
    clean_after_run(node)
    assert left(node) == {".lock", "manifest.txt", "out.txt", "unlisted.txt"}
