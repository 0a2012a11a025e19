"""One process holds a folder; at the end it removes what only the run needed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import DataDirInUseError, UsageError
from common.model import Role
from common.store.folders import DataDir, locked_worker_folder
from common.store.node import NodeStore
from tests.common.store.attempts import attempt, commit, stop, tree
from tests.programs import ROOT

HOLD = """
import sys
from pathlib import Path
from common.store.folders import DataDir

with DataDir(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def refusal(folder: Path) -> str:
    """Return why a folder cannot be held."""
    with pytest.raises((DataDirInUseError, UsageError)) as caught, DataDir(folder).locked():
        pass
    return str(caught.value)


def in_use(folder: Path, pid: int) -> str:
    return f"{folder} is in use by process {pid}; wait for it, or choose another --data-dir"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_refused_while_another_process_holds_it(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert refusal(tmp_path) == in_use(tmp_path, holder.pid)
    holder.communicate("")
    assert tree(tmp_path) == []


def test_free_after_the_holder_was_killed(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    (tmp_path / ".lock").write_text("MapReduce process 1234567890\n")
    with DataDir(tmp_path).locked():
        assert (tmp_path / ".lock").read_text() == f"MapReduce process {os.getpid()}\n"
    assert tree(tmp_path) == []


def test_refused_in_the_same_process(tmp_path: Path) -> None:
    with DataDir(tmp_path).locked():
        assert refusal(tmp_path) == in_use(tmp_path, os.getpid())
        assert tree(tmp_path) == [".lock"]
    with DataDir(tmp_path).locked():
        pass


def test_removes_empty_folders_it_made(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), DataDir(tmp_path / "a" / "b").locked():
        stop()
    assert list(tmp_path.iterdir()) == []


def test_keeps_folders_that_hold_something(tmp_path: Path) -> None:
    data = DataDir(tmp_path / "a" / "b")
    with data.locked():
        data.result("centroids.txt").write_bytes(b"1.0\n")
    assert tree(tmp_path) == ["a/b/centroids.txt"]


def test_removes_what_only_the_run_needed(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.locked():
        store = NodeStore(data.node(Role.REDUCER, 2), 2)
        commit(store, attempt(task=1))
        commit(store, attempt(sequence=2, iteration=None))
        store.cached(0, "points").write_bytes(b"cached")
        (tmp_path / "reducers" / "R2" / ".output.txt.1-2-3.tmp").write_bytes(b"half")
    assert tree(tmp_path) == ["reducers/R2/output.txt"]


def test_the_outputs_of_an_earlier_run_are_set_aside_alone(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    data.result("centroids.txt").write_bytes(b"1.0\n")
    for role in Role:
        commit(NodeStore(data.node(role, 1), 1), attempt(), keep=True)
    (tmp_path / "mappers" / "M1" / "notes.txt").write_bytes(b"")
    before = [
        *("centroids.txt", "mappers/M1/iteration_1/output.txt", "mappers/M1/notes.txt"),
        "reducers/R1/iteration_1/output.txt",
    ]
    with data.locked():
        data.set_aside_outputs()
        commit(NodeStore(data.node(Role.MAPPER, 2), 2), attempt())
        data.restore_outputs()
    assert tree(tmp_path) == before
    with data.locked():
        data.set_aside_outputs()
        data.discard_set_aside()
        commit(NodeStore(data.node(Role.MAPPER, 2), 2), attempt(task=1))
    assert tree(tmp_path) == ["centroids.txt", "mappers/M1/notes.txt", "mappers/M2/output.txt"]
    assert not (tmp_path / "reducers").exists()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("file", "File exists"),
        ("file/data", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
    ids=["file", "below_a_file", "long_name"],
)
def test_refuses_what_cannot_be_a_folder(tmp_path: Path, name: str, what: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert refusal(tmp_path / name) == f"--data-dir {tmp_path / name}: {what}"
    assert tree(tmp_path) == ["file"]


def test_refuses_what_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    advice = "move it, or choose another --data-dir"
    assert refusal(tmp_path) == f"{tmp_path}/.lock is a folder, not a file of this program; {advice}"
    (tmp_path / ".lock").rmdir()
    (tmp_path / ".lock").write_bytes(b"\xff theirs")
    what = "is not a lock of this program; choose another --data-dir"
    assert refusal(tmp_path) == f"{tmp_path}/.lock {what}"
    assert (tmp_path / ".lock").read_bytes() == b"\xff theirs"


def test_a_worker_holds_its_folder_while_it_stores_files(tmp_path: Path) -> None:
    with locked_worker_folder(tmp_path):
        store = NodeStore(tmp_path, 1)
        for number in (1, 2):
            commit(store, attempt(sequence=number, iteration=number))
        expected = f"^{tmp_path} is in use by process {os.getpid()}; wait for it, or choose another --folder$"
        with pytest.raises(DataDirInUseError, match=expected), locked_worker_folder(tmp_path):
            pass
    assert tree(tmp_path) == ["output.txt"]


@pytest.mark.parametrize(
    "content", [b"", b"123", b"20240131\n", b"MapReduce process \n", b"MapReduce process 1"]
)
def test_a_lock_of_another_program_is_refused_and_stays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".lock").write_bytes(content)
    assert "is not a lock of this program" in refusal(tmp_path)
    assert (tmp_path / ".lock").read_bytes() == content


def test_a_lock_that_has_another_name_as_well_is_refused_and_stays(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("MapReduce process 12\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ".lock").hardlink_to(theirs)
    assert "is not a lock of this program" in refusal(tmp_path / "data")
    assert theirs.read_text() == "MapReduce process 12\n"


def test_without_hard_links_a_lock_is_made_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_link)
    with DataDir(tmp_path).locked():
        assert tree(tmp_path) == [".lock"]
    assert tree(tmp_path) == []


def test_a_lock_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    assert refusal(tmp_path) == f"--data-dir {tmp_path}: No space left on device"
    assert tree(tmp_path) == []
