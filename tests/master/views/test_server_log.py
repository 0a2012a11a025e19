"""A log is followed whatever happens to its file."""

from pathlib import Path

import pytest

from common.errors import UsageError
from common.store.log_file import LogFile
from master.views.server_log import FollowedLog, read_log
from tests.master.views.logs import Script


def lines() -> list[str]:
    script = Script()
    script.begin()
    script.call("M1")
    script.answer("M1")
    return [f"{entry.line()}\n" for entry in script.entries]


def test_a_file_that_grows_is_read_once(tmp_path: Path) -> None:
    path, text = tmp_path / "dump.txt", lines()
    log = FollowedLog(path)
    assert not log.look()
    path.write_text(text[0])
    assert log.look()
    assert not log.look()
    with path.open("a") as file:
        file.writelines(text[1:])
    assert log.look()
    assert log.state.snapshot()["log"] == [line.rstrip("\n") for line in text]


def test_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path, text = tmp_path / "dump.txt", "".join(lines())
    log = FollowedLog(path)
    for cut in range(0, len(text), 97):
        path.write_text(text[:cut])
        log.look()
    path.write_text(text)
    log.look()
    assert log.state.snapshot()["log_lines"] == len(lines())


@pytest.mark.parametrize("replace", [True, False])
def test_a_file_in_its_place_is_read_from_its_beginning(tmp_path: Path, replace: bool) -> None:
    path, text = tmp_path / "dump.txt", lines()
    path.write_text("".join(text))
    log = FollowedLog(path)
    log.look()
    if replace:
        (tmp_path / "new").write_text(text[0])
        (tmp_path / "new").replace(path)
    else:
        path.write_text(text[0])
    log.look()
    assert log.state.snapshot()["log_lines"] == 1


def test_a_log_that_a_run_holds_is_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "dump.txt"
    held = LogFile(path)
    held.path.write_text("".join(lines()))
    assert read_log(path).snapshot()["state"] == "running"
    held.close()
    assert read_log(path).snapshot()["state"] == "cut off"


@pytest.mark.parametrize("content", ["", "hello\n", "\0" * 100, "".join(lines()[1:])])
def test_other_files_are_no_logs(tmp_path: Path, content: str) -> None:
    (tmp_path / "dump.txt").write_text(content)
    with pytest.raises(UsageError, match="no line says how a run began"):
        read_log(tmp_path / "dump.txt")
