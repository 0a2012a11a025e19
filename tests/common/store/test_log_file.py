"""One run alone writes the file of --dump; what was there before comes back if the run is refused."""

import os
from pathlib import Path

import pytest

from common.errors import UsageError
from common.store.log_file import LogFile


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        LogFile(path)
    return str(caught.value)


@pytest.mark.parametrize("append", [False, True])
def test_a_second_run_is_refused(tmp_path: Path, append: bool) -> None:
    path = tmp_path / "dump.txt"
    path.write_text("old")
    (tmp_path / "link.txt").symlink_to("dump.txt")
    (tmp_path / "hard.txt").hardlink_to(path)
    file = LogFile(path, append=append)
    path.write_text("new")
    before = {each: each.read_text() for each in tmp_path.iterdir()}
    for other in [path, tmp_path / "link.txt", *([tmp_path / "hard.txt"] if append else [])]:
        assert refusal(other) == (
            f"--dump {other} is in use by another run; wait for it, or choose another --dump"
        )
        assert {each: each.read_text() for each in tmp_path.iterdir()} == before
    file.close()
    LogFile(path, append=True).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dump.txt", "hard.txt", "link.txt"]


@pytest.mark.parametrize("old", [None, "", "old"], ids=["none", "empty", "old"])
def test_what_was_there_comes_back(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "dump.txt"
    if old is not None:
        path.write_text(old)
        path.chmod(0o600)
    file = LogFile(path)
    path.write_text("new")
    file.restore()
    file.close()
    assert [(each.name, each.read_text(), each.stat().st_mode & 0o777) for each in tmp_path.iterdir()] == (
        [] if old is None else [("dump.txt", old, 0o600)]
    )


def test_the_target_of_a_link_is_replaced_and_comes_back(tmp_path: Path) -> None:
    (tmp_path / "link.txt").symlink_to("target.txt")
    (tmp_path / "target.txt").write_text("old")
    file = LogFile(tmp_path / "link.txt")
    assert file.path == tmp_path / "target.txt"
    assert file.path.read_text() == ""
    file.restore()
    file.close()
    assert (tmp_path / "link.txt").readlink() == Path("target.txt")
    assert (tmp_path / "link.txt").read_text() == "old"


def test_devices_and_pipes_are_shared(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/null"), Path("/dev/null"), tmp_path / "pipe", tmp_path / "pipe"):
        file = LogFile(path)
        assert file.path == path
        file.restore()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "Is a directory"),
        ("none/dump.txt", "No such file or directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
    ],
    ids=["folder", "no_folder", "loop", "long_name"],
)
def test_refuses_what_cannot_be_written(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert refusal(tmp_path / name) == f"--dump {tmp_path / name}: {what}"
    assert [path.name for path in tmp_path.iterdir()] == ["loop"]
