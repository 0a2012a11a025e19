"""The previous run's files are set aside, and restored if the new run is refused."""

import os
from pathlib import Path

import pytest

from common.model import Role
from common.store.folders import DataDir
from common.store.log_file import LogFile
from common.store.node import NodeStore
from master.run.previous import PreviousRun
from tests.common.store.attempts import attempt, commit


@pytest.fixture
def data_dir(tmp_path: Path) -> DataDir:
    data_dir = DataDir(tmp_path)
    with data_dir.locked():
        commit(NodeStore(data_dir.node(Role.MAPPER, 1), 1), attempt(task=1), map_output=b"old")
    (tmp_path / "dump.txt").write_text("old")
    return data_dir


def begin(data_dir: DataDir) -> tuple[PreviousRun, LogFile]:
    """Begin a new run that writes something."""
    log_file = LogFile(data_dir.root / "dump.txt")
    previous = PreviousRun(data_dir, log_file)
    assert set(texts_in(data_dir.root)) >= {"dump.txt", "mappers/M1/.mapreduce"}
    assert (data_dir.root / "dump.txt").read_text() == ""
    commit(NodeStore(data_dir.node(Role.MAPPER, 1), 1), attempt(), map_output=b"new")
    log_file.path.write_text("new")
    return previous, log_file


def texts_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_all_comes_back(data_dir: DataDir) -> None:
    before = texts_in(data_dir.root)
    with data_dir.locked():
        previous, log_file = begin(data_dir)
        assert previous.is_kept
        previous.restore()
        log_file.close()
    assert texts_in(data_dir.root) == before


def test_discarded_once_the_new_run_has_got_somewhere(data_dir: DataDir) -> None:
    with data_dir.locked():
        previous, log_file = begin(data_dir)
        previous.discard()
        assert not previous.is_kept
        log_file.close()
    after = texts_in(data_dir.root)
    assert (after.pop("dump.txt"), after.pop("mappers/M1/map_output.txt")) == ("new", "new")
    assert set(after) == {"mappers/M1/.mapreduce", "mappers/M1/manifest.txt"}


def test_what_a_killed_run_has_put_aside_goes_with_the_next(data_dir: DataDir) -> None:
    _, log_file = begin(data_dir)
    for descriptor in log_file._held:  # as the system does it for a killed process
        os.close(descriptor)
    with data_dir.locked():
        previous = PreviousRun(data_dir, again := LogFile(data_dir.root / "dump.txt"))
        previous.restore()
        again.close()
    assert texts_in(data_dir.root)["dump.txt"] == "new"
    assert texts_in(data_dir.root)["mappers/M1/map_output.txt"] == "new"
    assert sorted(path.name for path in data_dir.root.iterdir()) == ["dump.txt", "mappers"]
    assert [path.name for path in (data_dir.root / "mappers").iterdir()] == ["M1"]
