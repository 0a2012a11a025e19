"""dump.txt as a file: lines come at once, and stay lines whatever is in them."""

from pathlib import Path

import pytest

from common.errors import UsageError
from common.events.dump import Dump


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dump.txt"


def test_the_dump_escapes_lines_of_others(path: Path) -> None:
    dump = Dump(path)
    dump.write("R1 event=x\nforged event=y\r\x1b[2J")
    dump.close()
    assert path.read_bytes() == b"R1 event=x\\nforged event=y\\r\\x1b[2J\n"


def test_the_dump_shows_each_line_at_once(path: Path) -> None:
    dump = Dump(path)
    dump.write("first")
    assert path.read_text() == "first\n"
    dump.close()


def test_the_dump_replaces_an_older_one(path: Path) -> None:
    path.write_text("old\n")
    Dump(path).close()
    assert path.read_text() == ""


def test_a_closed_dump_takes_no_more(path: Path) -> None:
    dump = Dump(path)
    dump.write("kept")
    dump.close()
    dump.write("too late")
    dump.close()
    assert path.read_text() == "kept\n"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "Is a directory"),
        ("none/dump.txt", "No such file or directory"),
        ("x" * 300, "File name too long"),
    ],
    ids=["folder", "no_folder", "long_name"],
)
def test_refuses_what_cannot_be_written(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Dump(tmp_path / name)
    assert str(caught.value) == f"--dump {tmp_path / name}: {what}"


@pytest.mark.parametrize(
    ("old", "kept"), [("", ""), ("whole\n", "whole\n"), ("whole\ntor", "whole\ntor\n")], ids=repr
)
def test_the_dump_goes_on_after_an_older_one(path: Path, old: str, kept: str) -> None:
    path.write_text(old)
    dump = Dump(path, append=True)
    dump.write("new")
    dump.close()
    assert path.read_text() == f"{kept}new\n"
