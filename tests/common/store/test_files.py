"""A file appears whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from common.store.files import write_whole
from tests.common.store.attempts import stop, tree


def write(path: Path, content: bytes, meanwhile: Callable[[], None], *, durable: bool = False) -> None:
    with write_whole(path, durable=durable) as file:
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
    write(tmp_path / "link", b"new", lambda: None)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"
