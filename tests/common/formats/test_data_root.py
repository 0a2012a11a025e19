"""What a worker may read."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import InputError
from common.formats.dataset import check_unchanged, content_digest, open_input, resolve_input


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a file in it, beside files that are nobody's business."""
    inside = tmp_path / "root" / "sub"
    inside.mkdir(parents=True)
    (inside / "points.csv").write_text("1,2\n")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "root2").mkdir()
    (tmp_path / "root2" / "points.csv").write_text("1,2\n")
    (inside / "out").symlink_to(tmp_path / "secret")
    (inside / "folder_out").symlink_to(tmp_path / "root2")
    (inside / "in").symlink_to(inside / "points.csv")
    os.mkfifo(inside / "pipe")
    return tmp_path / "root"


def test_files_below_the_root_are_found(root: Path) -> None:
    there = str(root / "sub" / "points.csv")
    assert resolve_input(there, root) == there
    assert resolve_input("sub/points.csv", root) == there
    assert resolve_input(str(root / "sub" / "in"), root) == there
    assert resolve_input("/anywhere", None) == "/anywhere"


def test_a_root_may_itself_be_a_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert resolve_input(str(link / "sub" / "points.csv"), link) == str(root / "sub" / "points.csv")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/no/such/file",
        "{root}",
        "{root}/../secret",
        "{root}/sub/../sub/points.csv",
        "../secret",
        "sub/out",
        "sub/folder_out/points.csv",
        "{root}2/points.csv",
        "",
    ],
)
def test_what_lies_elsewhere_is_refused(root: Path, path: str) -> None:
    path = path.format(root=root)
    with pytest.raises(InputError) as caught:
        resolve_input(path, root)
    assert str(caught.value) == f"{path}: not below the --data-root of this worker"


@pytest.mark.parametrize("path", ["sub", "sub/pipe"])
def test_what_is_no_file_is_refused(root: Path, path: str) -> None:
    with pytest.raises(InputError, match=f"^{path}: not a file$"):
        resolve_input(path, root)


def test_a_copy_of_the_input_will_do_and_nothing_else(tmp_path: Path) -> None:
    masters, copy = tmp_path / "masters.csv", tmp_path / "copy.csv"
    masters.write_text("1,2\n3,4\n")
    source = replace(open_input(masters).input, path=str(copy), digest=content_digest(masters))
    copy.write_text("1,2\n3,4\n")
    os.utime(copy, (1, 1))
    check_unchanged(source)
    for other in ("1,2\n3,5\n", "1,2\n"):
        copy.write_text(other)
        os.utime(copy, (2, len(other)))
        with pytest.raises(InputError, match="this is not the file that the master has"):
            check_unchanged(source)
