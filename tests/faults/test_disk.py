"""Files damaged or lost, disks full or broken: the same bytes, or one line that says why."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.events.catalogue.run import CheckpointFailed, InternalError
from common.events.catalogue.tasks import FAILURE, SUCCESS, MapStarted, RpcCall, RpcResponse
from common.events.catalogue.workers import WorkerLost
from tests.moments import at_first, opens
from tests.programs import (
    SAMPLE,
    BackgroundRun,
    centroids_of,
    environment_with_hook,
    options,
    run_master,
)
from tests.story import Fields, matching, story_of

DAMAGES = {
    "truncated": "os.truncate(arguments[0], os.path.getsize(arguments[0]) // 2)",
    "corrupt": (
        "with open(arguments[0], 'r+b') as file: "
        "first = file.read(1)[0]; file.seek(0); file.write(bytes([first ^ 1]))"
    ),
    "missing": "os.unlink(arguments[0])",
}
"""What is done to a file just before it is opened."""
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a tmpfs")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert run_master(folder, *options(k=3), "--engine", "inline").returncode == 0
    return centroids_of(folder)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, for the mappers' folders."""
    folder = tmp_path / "data" / "mappers"
    folder.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def assert_failed(folder: Path, result: subprocess.CompletedProcess[str], code: int, pattern: str) -> None:
    assert (result.returncode, result.stderr.count("\n")) == (code, 1), result.stderr
    assert re.fullmatch(f"Error: {pattern}\n", result.stderr), result.stderr
    assert not (folder / "data" / "centroids.txt").exists()
    assert not list(folder.rglob("*centroids*.tmp"))


def raising(error: str) -> str:
    return f"raise OSError(errno.{error}, os.strerror(errno.{error}))"


def run_hooked(folder: Path, hook: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return run_master(folder, *arguments, env=environment_with_hook(folder, hook))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_partition_is_harmed_before_it_is_fetched(tmp_path: Path, undisturbed: str, damage: str) -> None:
    hook = at_first(opens("M1/partition_1.txt"), DAMAGES[damage], tmp_path / "harmed")
    result = run_hooked(tmp_path, hook, *options(k=3, r=1))
    assert (result.returncode, result.stderr) == (0, "")
    assert centroids_of(tmp_path) == undisturbed
    why = {"missing": r"partition_1\.txt: No such file", "corrupt": "is damaged on the disk"}
    story = story_of(tmp_path)
    fetch: Fields = {"process": "R1", "method": "FetchPartition", "status": FAILURE}
    assert story.of(RpcResponse, **fetch, reason=matching(why.get(damage, "is damaged on")))
    assert story.of(RpcCall, to="M1", method="Map", job="lloyd", iteration=1, task=1, attempt=2)
    assert not story.of(WorkerLost)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_map_output_is_harmed_before_the_labels_are_read(tmp_path: Path, damage: str) -> None:
    labels = ("--labels", "labels.txt")
    hook = at_first(opens("M2/job_label/map_output.txt", job="label"), DAMAGES[damage], tmp_path / "harmed")
    result = run_hooked(tmp_path, hook, *options(k=3), *labels)
    assert (result.returncode, result.stderr) == (0, "")
    story = story_of(tmp_path)
    read: Fields = {"from_": "M2", "method": "ReadMapOutput", "job": "label", "task": 2, "attempt": 1}
    lost = story.of(RpcResponse, **read, status=FAILURE)[0]
    assert story.after(lost).of(RpcResponse, method="Map", job="label", task=2, status=SUCCESS)
    found = (tmp_path / "labels.txt").read_text()
    assert run_master(tmp_path, *options(k=3), *labels, "--engine", "inline").returncode == 0
    assert found == (tmp_path / "labels.txt").read_text()


def test_a_disk_error_while_a_worker_writes(tmp_path: Path, undisturbed: str) -> None:
    """It happens once; the task runs again."""
    hook = at_first(opens("M2/.partition_2"), raising("EIO"), tmp_path / "failed")
    result = run_hooked(tmp_path, hook, *options(k=3), "--quiet")
    assert (result.returncode, result.stderr) == (0, "")
    assert centroids_of(tmp_path) == undisturbed
    assert story_of(tmp_path).of(RpcResponse, from_="M2", method="Map", status=FAILURE)


def test_a_worker_that_can_never_write_ends_the_run(tmp_path: Path) -> None:
    hook = f"if event == 'open' and '.output' in str(arguments[0]): {raising('ENOSPC')}"
    result = run_hooked(tmp_path, hook, *options(k=3), "--quiet")
    line = r"reduce task \d failed: No space left on device; free some space, or choose another folder"
    assert_failed(tmp_path, result, 1, line)
    assert not story_of(tmp_path).of(InternalError)


@ROOT_ONLY
def test_a_full_disk_for_a_mapper(tmp_path: Path, tiny: Path) -> None:
    path = tmp_path / "points.npy"
    np.save(path, np.random.default_rng(0).normal(size=(4000, 2)))
    result = run_master(tmp_path, *options(k=3, n=2, input_path=path), "--quiet")
    assert_failed(
        tmp_path, result, 1, r"map task \d failed: .*No space left on device; free some space, or .*"
    )
    assert not story_of(tmp_path).of(InternalError)


def test_a_result_that_cannot_be_written(tmp_path: Path) -> None:
    hook = f"if event == 'open' and '.centroids.txt' in str(arguments[0]): {raising('ENOSPC')}"
    result = run_hooked(tmp_path, hook, *options(k=3), "--engine", "inline", "--quiet")
    assert_failed(tmp_path, result, 1, r"data/centroids\.txt: No space left on device; free some .*")
    assert run_master(tmp_path, *options(k=3), "--resume", "--engine", "inline").returncode == 0


def test_checkpoints_that_cannot_be_written(tmp_path: Path, undisturbed: str) -> None:
    hook = f"if event == 'open' and '.jsonl' in str(arguments[0]): {raising('EIO')}"
    result = run_hooked(tmp_path, hook, *options(k=3), "--engine", "inline", "--quiet")
    assert (result.returncode, result.stderr) == (0, "")
    assert centroids_of(tmp_path) == undisturbed
    assert story_of(tmp_path).of(CheckpointFailed, reason="Input/output error")


@pytest.mark.parametrize(
    ("event", "name", "code", "line"),
    [
        ("os.mkdir", "data", 2, "--data-dir data: Permission denied"),
        ("open", ".lock", 2, "--data-dir data: Permission denied"),
        ("open", "points.txt", 2, r"points\.txt: cannot be read: Permission denied"),
        ("open", "dump.txt", 2, r"--dump dump\.txt: Permission denied"),
    ],
)
def test_permissions(tmp_path: Path, event: str, name: str, code: int, line: str) -> None:
    """As the system refuses them to those who aren't root."""
    shutil.copy(SAMPLE, tmp_path / "points.txt")
    hook = f"if event == {event!r} and f'/{{arguments[0]}}.'.count('/{name}.'): {raising('EACCES')}"
    arguments = (*options(k=3, input_path=Path("points.txt")), "--labels", "labels.txt", "--quiet")
    result = run_hooked(tmp_path, hook, *arguments, "--engine", "inline")
    assert_failed(tmp_path, result, code, line)


@pytest.mark.parametrize(
    ("suffix", "change"), [(".npy", "truncated"), (".npy", "replaced"), (".txt", "truncated")]
)
def test_an_input_that_changes_under_the_run(tmp_path: Path, suffix: str, change: str) -> None:
    """A mapped file that gets shorter while it is used kills its mappers (SIGBUS); what is said is why."""
    path = tmp_path / f"points{suffix}"
    in_use = (suffix, change) == (".npy", "truncated")
    points = np.random.default_rng(0).normal(size=(500_000 if in_use else 3000, 2))
    if suffix == ".npy":
        np.save(path, points)
    else:
        np.savetxt(path, points, "%.5f", delimiter=",")
    slowly = () if in_use else ("--task-delay", 0.2)
    iterations = 1000 if suffix == ".npy" else 5  # it goes on until that is seen
    arguments = (*options(k=30, n=iterations, input_path=path), "--tol", 0, *slowly)
    with BackgroundRun(tmp_path, *arguments) as run:
        if in_use:
            run.wait_for(MapStarted, process="M1", job="lloyd")
        else:
            run.wait_for(RpcCall, method="Map", job="lloyd")
        if change == "truncated":
            os.truncate(path, 200)
        else:
            path.write_bytes(path.read_bytes()[::-1])
        code, error = run.end()
    if suffix == ".npy":
        assert (code, error) == (2, f"Error: {path}: the file changed while the run was using it\n")
        assert not (tmp_path / "data" / "centroids.txt").exists()
    else:
        assert (code, error) == (0, "")  # each mapper has its own copy of its rows
