"""What a run leaves on disk: whole files, the newest attempt's, and one run at a time."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import DataDirInUseError, OutputLostError, StaleAttemptError, UsageError
from common.model import Attempt, CommittedFile, LongArray, RecordFormat, Role, Stage
from common.records import checksum
from common.records.base import Sink
from common.store.files import write_whole
from common.store.folders import DataDir
from common.store.names import node_name, partition_name
from common.store.node import NodeStore

ROOT = Path(__file__).parents[3]
HOLD = """
import sys
from pathlib import Path
from common.store.folders import DataDir

with DataDir(Path(sys.argv[1])).locked():
    print("held", flush=True)
    sys.stdin.read()
"""


def attempt(number: int = 1, *, sequence: int = 1, task: int = 0, iteration: int | None = 1) -> Attempt:
    return Attempt(Stage(sequence, "lloyd" if iteration else "describe", iteration), task, number)


def nothing() -> None:
    """Do nothing."""


def stop() -> None:
    raise KeyboardInterrupt


class Content:
    """One record, written in two pieces."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __len__(self) -> int:
        return 1

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        assert positions is None
        sink.write(self._content[:1])
        sink.write(memoryview(self._content)[1:])


def commit(
    store: NodeStore,
    this: Attempt,
    *,
    keep: bool = False,
    kind: RecordFormat = RecordFormat.TEXT,
    meanwhile: Callable[[], None] = nothing,
    **contents: bytes,
) -> None:
    """Commit files named after their arguments; do something after the first is written."""
    with store.attempt(this, kind, keep_iterations=keep) as files:
        for name, content in (contents or {"out": b"data"}).items():
            assert files.write(name, Content(content)) == CommittedFile(len(content), 1, checksum(content))
            meanwhile()
            meanwhile = nothing


def write(path: Path, content: bytes, meanwhile: Callable[[], None], *, durable: bool = False) -> None:
    with write_whole(path, durable=durable) as file:
        file.write(content)
        file.flush()
        meanwhile()


def read(store: NodeStore, this: Attempt, name: str = "out", offset: int = 0) -> bytes:
    return b"".join(store.read(this, name, offset))


def tree(folder: Path) -> list[str]:
    """Return the files below a folder, hidden ones too, but no manifests."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.txt"]
    return sorted(str(path.relative_to(folder)) for path in files)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mappers" / "M1"


@pytest.fixture
def store(folder: Path) -> NodeStore:
    return NodeStore(folder, 1)


def test_names() -> None:
    assert [node_name(Role.MAPPER, 1), node_name(Role.REDUCER, 12)] == ["M1", "R12"]
    assert [partition_name(0), partition_name(9)] == ["partition_1", "partition_10"]


class TestWriteWhole:
    @pytest.mark.parametrize("durable", [False, True])
    def test_replaces_only_at_the_end(self, tmp_path: Path, durable: bool) -> None:
        seen: list[bytes] = []
        path = tmp_path / "file"
        path.write_bytes(b"old")
        write(path, b"new", lambda: seen.append(path.read_bytes()), durable=durable)
        assert [*seen, path.read_bytes()] == [b"old", b"new"]
        assert tree(tmp_path) == ["file"]

    @pytest.mark.parametrize("old", [{}, {"file": b"old"}], ids=["new", "replaced"])
    def test_changes_nothing_on_an_exception(self, tmp_path: Path, old: dict[str, bytes]) -> None:
        for name, content in old.items():
            (tmp_path / name).write_bytes(content)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "file", b"new", stop)
        assert {name: (tmp_path / name).read_bytes() for name in tree(tmp_path)} == old


class TestNodeStore:
    def test_files_appear_together_at_the_end(self, store: NodeStore, folder: Path) -> None:
        seen: list[str] = []
        commit(store, attempt(), meanwhile=lambda: seen.extend(tree(folder)), a=b"1", b=b"2")
        assert len(seen) == 1
        assert seen[0].startswith(".a.txt.1-1-")
        assert tree(folder) == ["a.txt", "b.txt"]
        assert [read(store, attempt(), name) for name in ("a", "b")] == [b"1", b"2"]

    def test_the_manifest_tells_what_was_committed(self, store: NodeStore, folder: Path) -> None:
        seen: list[bool] = []
        for number in (1, 2):
            manifest_is_there = lambda: seen.append((folder / "manifest.txt").exists())  # noqa: E731
            commit(store, attempt(number), meanwhile=manifest_is_there, map_output=b"1,2", partition_1=b"")
        assert seen == [False, True]
        assert (folder / "manifest.txt").read_text() == (
            "attempt=2 task=1 job=lloyd iteration=1\n"
            f"map_output.txt size_bytes=3 records=1 crc32={checksum(b'1,2'):08x}\n"
            "partition_1.txt size_bytes=0 records=1 crc32=00000000\n"
        )

    @pytest.mark.parametrize("content", [b"", b"dat", b"dat\0", b"data and more"])
    def test_a_damaged_file_is_lost_when_it_is_verified(
        self, store: NodeStore, folder: Path, content: bytes
    ) -> None:
        commit(store, attempt())
        (folder / "out.txt").write_bytes(content)
        assert read(store, attempt()) == content
        with pytest.raises(OutputLostError, match=r"^out\.txt is damaged on the disk$"):
            list(store.read(attempt(), "out", verify=True))

    def test_a_sound_file_is_verified_from_any_offset(self, store: NodeStore) -> None:
        commit(store, attempt())
        assert b"".join(store.read(attempt(), "out", 2, verify=True)) == b"ta"

    def test_what_no_manifest_lists_is_garbage(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt(), kept=b"1")
        commit(store, attempt(task=1), lost=b"2")
        store.cached(0, "points").write_bytes(b"cached")
        (folder / "later.txt").write_bytes(b"of an attempt that was cut off")
        (folder / "task_2" / "manifest.txt").unlink()
        NodeStore(folder, 1)
        assert tree(folder) == [".cache/split_1_points", "kept.txt"]

    def test_an_exception_leaves_nothing_new(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt(1), out=b"first")
        with pytest.raises(KeyboardInterrupt):
            commit(store, attempt(2), meanwhile=stop, out=b"second", more=b"second")
        assert tree(folder) == ["out.txt"]
        assert read(store, attempt(1)) == b"first"

    def test_the_older_is_served_until_the_newer_is_whole(self, store: NodeStore) -> None:
        seen: list[bytes] = []
        commit(store, attempt(1), out=b"first")
        commit(store, attempt(2), meanwhile=lambda: seen.append(read(store, attempt(1))), out=b"second")
        assert seen == [b"first"]

    def test_a_newer_attempt_replaces(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt(1), out=b"first")
        commit(store, attempt(3), out=b"second")
        commit(store, attempt(3), out=b"third")
        assert read(store, attempt(3)) == b"third"
        with pytest.raises(OutputLostError):
            read(store, attempt(1))
        assert tree(folder) == ["out.txt"]

    @pytest.mark.parametrize(
        ("newer", "older"),
        [(attempt(2), attempt(1)), (attempt(1, sequence=2), attempt(5, sequence=1))],
        ids=["attempt", "stage"],
    )
    def test_an_older_one_is_refused(
        self, store: NodeStore, folder: Path, newer: Attempt, older: Attempt
    ) -> None:
        commit(store, newer, out=b"newer")
        message = rf"^task 1, attempt {older.number} is no longer wanted$"
        with pytest.raises(StaleAttemptError, match=message):
            commit(store, older, out=b"older")
        assert read(store, newer) == b"newer"
        assert tree(folder) == ["out.txt"]

    @pytest.mark.parametrize("epoch", [0, 6, 8])
    def test_one_of_another_epoch_is_refused(self, folder: Path, epoch: int) -> None:
        store = NodeStore(folder, 1, epoch=7)
        ours = Attempt(Stage(1, "lloyd", epoch=7), 0, 1)
        commit(store, ours)
        theirs = Attempt(Stage(2, "lloyd", epoch=epoch), 0, 1)
        with pytest.raises(StaleAttemptError):
            commit(store, theirs)
        with pytest.raises(OutputLostError):
            read(store, Attempt(Stage(1, "lloyd", epoch=epoch), 0, 1))
        assert read(store, ours) == b"data"

    @pytest.mark.parametrize("newer", [attempt(2), attempt(1, sequence=2)], ids=["attempt", "stage"])
    def test_one_that_grows_old_is_refused(self, store: NodeStore, folder: Path, newer: Attempt) -> None:
        with pytest.raises(StaleAttemptError, match=r"^task 1, attempt 1 is no longer wanted$"):
            commit(store, attempt(1), meanwhile=lambda: commit(store, newer, new=b"1"), a=b"2", b=b"3")
        assert read(store, newer, "new") == b"1"
        assert tree(folder) == ["new.txt"]

    def test_one_whose_folder_is_removed_is_refused(self, store: NodeStore) -> None:
        old, new = attempt(iteration=None), attempt(sequence=2)
        with pytest.raises(StaleAttemptError):
            commit(store, old, meanwhile=lambda: commit(store, new), a=b"1", b=b"2")

    def test_other_tasks_do_not_make_an_attempt_old(self, store: NodeStore) -> None:
        commit(store, attempt(7, task=1), out=b"other")
        commit(store, attempt(1, task=0), out=b"own")
        assert [read(store, attempt(7, task=1)), read(store, attempt(1))] == [b"other", b"own"]

    @pytest.mark.parametrize(
        "other",
        [attempt(2), attempt(1, task=1), attempt(1, sequence=2), attempt(2, sequence=1, iteration=None)],
        ids=["attempt", "task", "stage", "never"],
    )
    def test_output_that_is_not_here_is_lost(self, store: NodeStore, other: Attempt) -> None:
        commit(store, attempt(1))
        with pytest.raises(OutputLostError) as caught:
            read(store, other)
        message = f"out of task {other.task + 1}, attempt {other.number} is not here"
        assert str(caught.value) == message

    def test_a_name_never_written_is_lost(self, store: NodeStore) -> None:
        commit(store, attempt())
        with pytest.raises(OutputLostError, match=r"^other of task 1, attempt 1 is not here$"):
            read(store, attempt(), "other")

    def test_the_suffix_tells_the_format(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt(1), kind=RecordFormat.ARROW)
        assert tree(folder) == ["out.arrow"]
        assert read(store, attempt(1)) == b"data"
        commit(store, attempt(sequence=2))
        assert tree(folder) == ["out.txt"]

    def test_a_deleted_file_is_lost(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt())
        (folder / "out.txt").unlink()
        with pytest.raises(OutputLostError, match=r"^out\.txt: No such file or directory$"):
            read(store, attempt())

    def test_reads_in_chunks_from_an_offset(self, store: NodeStore) -> None:
        content = bytes(range(256)) * 10_000
        commit(store, attempt(), out=content)
        chunks = list(store.read(attempt(), "out"))
        assert max(map(len, chunks)) == 1 << 18
        assert b"".join(chunks) == content
        assert read(store, attempt(), offset=2_000_000) == content[2_000_000:]
        assert read(store, attempt(), offset=len(content)) == b""

    @pytest.mark.parametrize(
        ("iteration", "keep", "task", "expected"),  # of the second node, whose own task is 1
        [
            (3, False, 1, "out.txt"),
            (3, False, 0, "task_1/out.txt"),
            (3, True, 1, "iteration_3/out.txt"),
            (3, True, 2, "iteration_3/task_3/out.txt"),
            (None, False, 1, "job_describe/out.txt"),
            (None, True, 0, "job_describe/task_1/out.txt"),
        ],
    )
    def test_folders(self, folder: Path, iteration: int | None, keep: bool, task: int, expected: str) -> None:
        commit(NodeStore(folder, 2), attempt(task=task, iteration=iteration), keep=keep)
        assert tree(folder) == [expected]

    def test_a_new_iteration_removes_the_last(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt(), old=b"1")
        commit(store, attempt(task=1), old=b"2")
        store.cached(0, "points").write_bytes(b"cached")
        commit(store, attempt(sequence=2, iteration=2), new=b"3")
        assert tree(folder) == [".cache/split_1_points", "new.txt"]
        assert not (folder / "task_2").exists()

    def test_kept_iterations_stay(self, store: NodeStore, folder: Path) -> None:
        for i in (1, 2):
            commit(store, attempt(sequence=i, iteration=i), keep=True)
        assert tree(folder) == ["iteration_1/out.txt", "iteration_2/out.txt"]

    def test_the_next_stage_removes_a_job_but_no_iteration(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt(sequence=1), last=b"1")
        commit(store, attempt(sequence=1, task=1), last=b"2")
        commit(store, attempt(sequence=2, iteration=None), job=b"3")
        assert tree(folder) == ["job_describe/job.txt", "last.txt", "task_2/last.txt"]
        with pytest.raises(OutputLostError):
            read(store, attempt(sequence=1), "last")
        commit(store, attempt(sequence=3, iteration=None), other=b"4")
        assert tree(folder) == ["job_describe/other.txt", "last.txt", "task_2/last.txt"]
        commit(store, attempt(sequence=4, iteration=2), new=b"5")
        assert tree(folder) == ["new.txt"]

    def test_a_new_incarnation_removes_temporary_files_alone(self, store: NodeStore, folder: Path) -> None:
        commit(store, attempt())
        store.cached(0, "points").write_bytes(b"cached")
        for name in (".out.txt.1-2.tmp", ".cache/.split_1_points.77.tmp"):
            (folder / name).write_bytes(b"half")
        NodeStore(folder, 1)
        assert tree(folder) == [".cache/split_1_points", "out.txt"]


def refusal(folder: Path) -> str:
    """Return why a folder cannot be held."""
    with pytest.raises((DataDirInUseError, UsageError)) as caught, DataDir(folder).locked():
        pass
    return str(caught.value)


def in_use(folder: Path, pid: int) -> str:
    return f"{folder} is in use by process {pid}; wait for it, or choose another --data-dir"


class TestLock:
    @pytest.fixture
    def holder(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
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

    def test_refused_while_another_process_holds_it(
        self, tmp_path: Path, holder: subprocess.Popen[str]
    ) -> None:
        assert refusal(tmp_path) == in_use(tmp_path, holder.pid)
        holder.communicate("")
        assert tree(tmp_path) == []

    def test_free_after_the_holder_was_killed(self, tmp_path: Path, holder: subprocess.Popen[str]) -> None:
        holder.kill()
        holder.wait()
        (tmp_path / ".lock").write_text("1234567890\n")
        with DataDir(tmp_path).locked():
            assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"
        assert tree(tmp_path) == []

    def test_refused_in_the_same_process(self, tmp_path: Path) -> None:
        with DataDir(tmp_path).locked():
            assert refusal(tmp_path) == in_use(tmp_path, os.getpid())
            assert tree(tmp_path) == [".lock"]
        with DataDir(tmp_path).locked():
            pass

    def test_removes_empty_folders_it_made(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), DataDir(tmp_path / "a" / "b").locked():
            stop()
        assert list(tmp_path.iterdir()) == []

    def test_keeps_folders_that_hold_something(self, tmp_path: Path) -> None:
        data = DataDir(tmp_path / "a" / "b")
        with data.locked():
            data.centroids.write_bytes(b"1.0\n")
        assert tree(tmp_path) == ["a/b/centroids.txt"]

    def test_removes_what_only_the_run_needed(self, tmp_path: Path) -> None:
        data = DataDir(tmp_path)
        with data.locked():
            store = NodeStore(data.node(Role.REDUCER, 2), 2)
            commit(store, attempt(task=1))
            commit(store, attempt(sequence=2, iteration=None))
            store.cached(0, "points").write_bytes(b"cached")
            (tmp_path / "reducers" / "R2" / ".out.txt.1-2.tmp").write_bytes(b"half")
        assert tree(tmp_path) == ["reducers/R2/out.txt"]

    def test_removes_the_nodes_of_an_earlier_run_alone(self, tmp_path: Path) -> None:
        data = DataDir(tmp_path)
        data.centroids.write_bytes(b"1.0\n")
        for role in Role:
            commit(NodeStore(data.node(role, 1), 1), attempt())
        for _ in range(2):
            data.remove_nodes()
            assert sorted(path.name for path in tmp_path.iterdir()) == ["centroids.txt"]

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("file", "File exists"),
            ("file/data", "Not a directory"),
            ("locked", "Is a directory"),
            ("x" * 300, "File name too long"),
        ],
        ids=["file", "below_a_file", "lock_folder", "long_name"],
    )
    def test_refuses_what_cannot_be_a_folder(self, tmp_path: Path, name: str, what: str) -> None:
        (tmp_path / "file").write_bytes(b"")
        (tmp_path / "locked" / ".lock").mkdir(parents=True)
        assert refusal(tmp_path / name) == f"--data-dir {tmp_path / name}: {what}"
        assert tree(tmp_path) == ["file"]
