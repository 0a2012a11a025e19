"""A file appears whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.store.files import open_folder, remove_leftovers, replacing, resolve, write_result, write_whole
from tests.common.store.attempts import stop, tree


def write(path: Path, content: bytes, meanwhile: Callable[[], None], *, durable: bool = False) -> None:
    with (write_result if durable else write_whole)(path) as file:
        file.write(content)
        file.flush()
        meanwhile()


@pytest.mark.parametrize("durable", [False, True])
def test_replaces_only_at_the_end(tmp_path: Path, durable: bool) -> None:
    seen: list[bytes] = []
    path = tmp_path / "file"
    path.write_bytes(b"old")
    write(path, b"new", lambda: seen.append(path.read_bytes()), durable=durable)
    assert [*seen, path.read_bytes()] == [b"old", b"new"]
    assert tree(tmp_path) == ["file"]


@pytest.mark.parametrize("old", [{}, {"file": b"old"}], ids=["new", "replaced"])
def test_changes_nothing_on_an_exception(tmp_path: Path, old: dict[str, bytes]) -> None:
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file", b"new", stop)
    assert {name: (tmp_path / name).read_bytes() for name in tree(tmp_path)} == old


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to("target")
    write(resolve(tmp_path / "link"), b"new", lambda: None)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


@pytest.mark.parametrize("durable", [False, True])
def test_a_link_put_there_meanwhile_is_not_followed(tmp_path: Path, durable: bool) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    write(tmp_path / "file", b"new", lambda: (tmp_path / "file").symlink_to("target"), durable=durable)
    assert {name: (tmp_path / name).read_bytes() for name in tree(tmp_path)} == {
        "file": b"new",
        "target": b"precious",
    }


def test_a_folder_that_is_a_link_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(NotADirectoryError):
        write(tmp_path / "link" / "file", b"new", lambda: None, durable=True)
    assert tree(tmp_path) == []


def leftovers(folder: Path, name: str) -> list[str]:
    with open_folder(folder) as opened:
        remove_leftovers(name, opened)
    return tree(folder)


def test_leftovers_of_one_file_whose_writers_are_dead(tmp_path: Path) -> None:
    dead = "0123456789abcdef"
    others = [f".x[1].txt.{dead}", f".x1.txt.{dead}.tmp", f".x[1].txt.big.{dead}.tmp", ".x[1].txt.77-1.tmp"]
    for name in [f".x[1].txt.{dead}.tmp", "x[1].txt", *others]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / f".x[1].txt.{dead[::-1]}.tmp").symlink_to("x[1].txt")
    assert leftovers(tmp_path, "x[1].txt") == sorted([f".x[1].txt.{dead[::-1]}.tmp", "x[1].txt", *others])


def test_what_a_live_writer_has_begun_is_no_leftover(tmp_path: Path) -> None:
    seen: list[list[str]] = []
    write(tmp_path / "file", b"new", lambda: seen.append(leftovers(tmp_path, "file")), durable=True)
    assert [len(names) for names in seen] == [1]
    assert (tmp_path / "file").read_bytes() == b"new"
    with open_folder(tmp_path) as opened, pytest.raises(KeyboardInterrupt), replacing("file", opened):
        stop()
    assert tree(tmp_path) == ["file"]
