"""A worker keeps and serves the newest attempt's files, and refuses late attempts."""

from pathlib import Path

import pytest

from common.errors import OutputLostError, StaleAttemptError
from common.model import Attempt, Stage
from common.store.node import NodeStore
from tests.common.store.attempts import attempt, commit, read, stop, tree


def test_files_appear_together_at_the_end(store: NodeStore, folder: Path) -> None:
    seen: list[str] = []
    commit(store, attempt(), meanwhile=lambda: seen.extend(tree(folder)), map_output=b"1", partition_1=b"2")
    assert len(seen) == 1
    assert seen[0].startswith(".map_output.txt.1-1-")
    assert tree(folder) == ["map_output.txt", "partition_1.txt"]
    assert [read(store, attempt(), name) for name in ("map_output", "partition_1")] == [b"1", b"2"]


@pytest.mark.parametrize("content", [b"", b"dat", b"dat\0", b"data and more"])
def test_a_damaged_file_is_lost_when_it_is_verified(store: NodeStore, folder: Path, content: bytes) -> None:
    commit(store, attempt())
    (folder / "output.txt").write_bytes(content)
    assert read(store, attempt()) == content
    with pytest.raises(OutputLostError, match=r"^output\.txt is damaged on the disk$"):
        list(store.read(attempt(), "output", verify=True))


def test_a_sound_file_is_verified_from_any_offset(store: NodeStore) -> None:
    commit(store, attempt())
    assert b"".join(store.read(attempt(), "output", 2, verify=True)) == b"ta"


def test_what_no_manifest_lists_is_garbage(store: NodeStore, folder: Path) -> None:
    commit(store, attempt(), output=b"1")
    commit(store, attempt(task=1), map_output=b"2")
    store.cached(0, "points").write_bytes(b"cached")
    (folder / "partition_7.txt").write_bytes(b"of an attempt that was cut off")
    (folder / "task_2" / "manifest.txt").unlink()
    NodeStore(folder, 1)
    assert tree(folder) == [".cache/split_1_points", "output.txt"]


def test_an_exception_leaves_nothing_new(store: NodeStore, folder: Path) -> None:
    commit(store, attempt(1), output=b"first")
    with pytest.raises(KeyboardInterrupt):
        commit(store, attempt(2), meanwhile=stop, output=b"second", partition_1=b"second")
    assert tree(folder) == ["output.txt"]
    assert read(store, attempt(1)) == b"first"


def test_the_older_is_served_until_the_newer_is_whole(store: NodeStore) -> None:
    seen: list[bytes] = []
    commit(store, attempt(1), output=b"first")
    commit(store, attempt(2), meanwhile=lambda: seen.append(read(store, attempt(1))), output=b"second")
    assert seen == [b"first"]


def test_a_newer_attempt_replaces(store: NodeStore, folder: Path) -> None:
    commit(store, attempt(1), output=b"first")
    commit(store, attempt(3), output=b"second")
    commit(store, attempt(3), output=b"third")
    assert read(store, attempt(3)) == b"third"
    with pytest.raises(OutputLostError):
        read(store, attempt(1))
    assert tree(folder) == ["output.txt"]


@pytest.mark.parametrize(
    ("newer", "older"),
    [(attempt(2), attempt(1)), (attempt(1, sequence=2), attempt(5, sequence=1))],
    ids=["attempt", "stage"],
)
def test_an_older_one_is_refused(store: NodeStore, folder: Path, newer: Attempt, older: Attempt) -> None:
    commit(store, newer, output=b"newer")
    message = rf"^task 1, attempt {older.number} is no longer wanted$"
    with pytest.raises(StaleAttemptError, match=message):
        commit(store, older, output=b"older")
    assert read(store, newer) == b"newer"
    assert tree(folder) == ["output.txt"]


@pytest.mark.parametrize("epoch", [0, 6, 8])
def test_one_of_another_epoch_is_refused(folder: Path, epoch: int) -> None:
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
def test_one_that_grows_old_is_refused(store: NodeStore, folder: Path, newer: Attempt) -> None:
    with pytest.raises(StaleAttemptError, match=r"^task 1, attempt 1 is no longer wanted$"):
        commit(
            store,
            attempt(1),
            meanwhile=lambda: commit(store, newer, map_output=b"1"),
            map_output=b"2",
            partition_1=b"3",
        )
    assert read(store, newer, "map_output") == b"1"
    assert tree(folder) == ["map_output.txt"]


def test_one_whose_folder_is_removed_is_refused(store: NodeStore) -> None:
    old, new = attempt(iteration=None), attempt(sequence=2)
    with pytest.raises(StaleAttemptError):
        commit(store, old, meanwhile=lambda: commit(store, new), map_output=b"1", partition_1=b"2")


def test_other_tasks_do_not_make_an_attempt_old(store: NodeStore) -> None:
    commit(store, attempt(7, task=1), output=b"other")
    commit(store, attempt(1, task=0), output=b"own")
    assert [read(store, attempt(7, task=1)), read(store, attempt(1))] == [b"other", b"own"]


@pytest.mark.parametrize(
    "other",
    [attempt(2), attempt(1, task=1), attempt(1, sequence=2), attempt(2, sequence=1, iteration=None)],
    ids=["attempt", "task", "stage", "never"],
)
def test_output_that_is_not_here_is_lost(store: NodeStore, other: Attempt) -> None:
    commit(store, attempt(1))
    with pytest.raises(OutputLostError) as caught:
        read(store, other)
    message = f"output of task {other.task + 1}, attempt {other.number} is not here"
    assert str(caught.value) == message


def test_a_name_never_written_is_lost(store: NodeStore) -> None:
    commit(store, attempt())
    with pytest.raises(OutputLostError, match=r"^other of task 1, attempt 1 is not here$"):
        read(store, attempt(), "other")


def test_the_suffix_tells_the_format(store: NodeStore, folder: Path) -> None:
    commit(store, attempt(1), suffix=".arrow")
    assert tree(folder) == ["output.arrow"]
    assert read(store, attempt(1)) == b"data"
    commit(store, attempt(sequence=2))
    assert tree(folder) == ["output.txt"]


def test_a_deleted_file_is_lost(store: NodeStore, folder: Path) -> None:
    commit(store, attempt())
    (folder / "output.txt").unlink()
    with pytest.raises(OutputLostError, match=r"^output\.txt: No such file or directory$"):
        read(store, attempt())


def test_reads_in_chunks_from_an_offset(store: NodeStore) -> None:
    content = bytes(range(256)) * 10_000
    commit(store, attempt(), output=content)
    chunks = list(store.read(attempt(), "output"))
    assert max(map(len, chunks)) == 1 << 18
    assert b"".join(chunks) == content
    assert read(store, attempt(), offset=2_000_000) == content[2_000_000:]
    assert read(store, attempt(), offset=len(content)) == b""


@pytest.mark.parametrize(
    ("iteration", "keep", "task", "expected"),  # of the second node, whose own task is 1
    [
        (3, False, 1, "output.txt"),
        (3, False, 0, "task_1/output.txt"),
        (3, True, 1, "iteration_3/output.txt"),
        (3, True, 2, "iteration_3/task_3/output.txt"),
        (None, False, 1, "job_describe/output.txt"),
        (None, True, 0, "job_describe/task_1/output.txt"),
    ],
)
def test_folders(folder: Path, iteration: int | None, keep: bool, task: int, expected: str) -> None:
    commit(NodeStore(folder, 2), attempt(task=task, iteration=iteration), keep=keep)
    assert tree(folder) == [expected]


def test_a_new_iteration_removes_the_last(store: NodeStore, folder: Path) -> None:
    commit(store, attempt(), output=b"1")
    commit(store, attempt(task=1), output=b"2")
    store.cached(0, "points").write_bytes(b"cached")
    commit(store, attempt(sequence=2, iteration=2), map_output=b"3")
    assert tree(folder) == [".cache/split_1_points", "map_output.txt"]
    assert not (folder / "task_2").exists()


def test_kept_iterations_stay(store: NodeStore, folder: Path) -> None:
    for i in (1, 2):
        commit(store, attempt(sequence=i, iteration=i), keep=True)
    assert tree(folder) == ["iteration_1/output.txt", "iteration_2/output.txt"]


def test_the_next_stage_removes_a_job_but_no_iteration(store: NodeStore, folder: Path) -> None:
    commit(store, attempt(sequence=1), output=b"1")
    commit(store, attempt(sequence=1, task=1), output=b"2")
    commit(store, attempt(sequence=2, iteration=None), map_output=b"3")
    assert tree(folder) == ["job_describe/map_output.txt", "output.txt", "task_2/output.txt"]
    with pytest.raises(OutputLostError):
        read(store, attempt(sequence=1), "output")
    commit(store, attempt(sequence=3, iteration=None), partition_1=b"4")
    assert tree(folder) == ["job_describe/partition_1.txt", "output.txt", "task_2/output.txt"]
    commit(store, attempt(sequence=4, iteration=2), map_output=b"5")
    assert tree(folder) == ["map_output.txt"]


def test_a_new_incarnation_removes_temporary_files_alone(store: NodeStore, folder: Path) -> None:
    commit(store, attempt())
    store.cached(0, "points").write_bytes(b"cached")
    for name in (".output.txt.1-2.tmp", ".cache/.split_1_points.0123456789abcdef.tmp"):
        (folder / name).write_bytes(b"half")
    NodeStore(folder, 1)
    assert tree(folder) == [".cache/split_1_points", "output.txt"]
