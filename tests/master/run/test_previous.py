"""The previous run's files are set aside, and restored if the new run is refused."""

from pathlib import Path

import pytest

from common.store.folders import DataDir
from master.run.previous import PreviousRun


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    (tmp_path / "mappers" / "M1" / "task_2").mkdir(parents=True)
    (tmp_path / "mappers" / "M1" / "task_2" / "map_output.txt").write_text("old")
    (tmp_path / "dump.txt").write_text("old")
    return [tmp_path / "mappers" / "M1", tmp_path / "dump.txt", tmp_path / "missing.txt"]


def texts_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_all_comes_back(tmp_path: Path, paths: list[Path]) -> None:
    before = texts_in(tmp_path)
    previous = PreviousRun.set_aside(paths)
    assert not any(path.exists() for path in paths)
    paths[0].mkdir()
    (paths[0] / "map_output.txt").write_text("new")
    paths[1].write_text("new")
    assert previous.is_kept
    previous.restore()
    assert texts_in(tmp_path) == before


def test_discarded_once_the_new_run_has_got_somewhere(tmp_path: Path, paths: list[Path]) -> None:
    previous = PreviousRun.set_aside(paths)
    paths[1].write_text("new")
    previous.discard()
    previous.restore()
    assert not previous.is_kept
    assert texts_in(tmp_path) == {"dump.txt": "new"}


def test_what_a_killed_run_has_put_aside_goes_with_the_next(tmp_path: Path, paths: list[Path]) -> None:
    PreviousRun.set_aside(paths)
    paths[1].write_text("of the killed run")
    with DataDir(tmp_path).locked():
        PreviousRun.set_aside(paths).restore()
    assert texts_in(tmp_path) == {"dump.txt": "of the killed run"}


def test_links_are_left_alone(tmp_path: Path, paths: list[Path]) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to(paths[1])
    PreviousRun.set_aside([link]).discard()
    assert link.is_symlink()
    assert paths[1].read_text() == "old"
