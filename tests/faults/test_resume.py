"""A master killed at any moment, then `--resume`: the same bytes as those of a run that nothing disturbed."""

import hashlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from common.events.catalogue.kmeans import InitialCentroids
from common.events.catalogue.run import (
    Checkpoint,
    CheckpointFailed,
    CheckpointSkipped,
    Resumed,
    RunFailed,
    RunStarted,
)
from common.events.catalogue.tasks import RpcCall
from common.events.catalogue.workers import WorkerJoined
from tests.moments import Gate, opens
from tests.programs import (
    PATIENCE_S,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    command,
    environment_with_hook,
    free_port,
    make_certificates,
    options,
    remote_workers,
    run_here,
    run_master,
    wait_until,
)
from tests.story import Story, containing, matching, story_of

POINTS = np.round(np.random.default_rng(5).normal(size=(60, 2)) + [[0, 0], [3, 1], [1, 3]] * 20, 3)
SLOW = ("--task-delay", 0.3)
MAP = opens("M1/.map_output")
NOTHING = (
    "no checkpoint in data/checkpoints: the last run ended well, or before its first checkpoint, "
    "or there was none. Run the command without --resume"
)

Undisturbed = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("input") / "points.csv"
    np.savetxt(path, POINTS, "%.3f", delimiter=",")
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, points: Path) -> Undisturbed:
    """Return a function that runs undisturbed and returns centroids and labels."""
    known: dict[tuple[object, ...], tuple[str, str]] = {}

    def run(*more: object) -> tuple[str, str]:
        if more not in known:
            folder = tmp_path_factory.mktemp("undisturbed")
            assert run_here(folder, *usual(points), "--engine", "inline", *more).returncode == 0
            known[more] = found_in(folder)
        return known[more]

    return run


@pytest.fixture(scope="module")
def killed_once(tmp_path_factory: pytest.TempPathFactory, points: Path) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    shutil.copy2(points, folder)
    first, third = Gate(folder, MAP, name="first"), Gate(folder, MAP, nth=3, name="third")
    env = environment_with_hook(folder, first.hook, third.hook)
    with BackgroundRun(folder, *USUAL, *ALONE, env=env) as run:
        run.wait_for(Checkpoint, file=containing("iteration_0.jsonl"))
        wait_until(lambda: b'"digest": ""' not in newest_of(folder).read_bytes(), "checksum of the input")
        first.open()
        third.wait()
        run.wait_for(Checkpoint, file=containing("iteration_2.jsonl"))
        kill(run)
    return folder


@pytest.fixture
def killed(tmp_path: Path, killed_once: Path) -> Path:
    """A folder with its input, whose run was killed after two iterations."""
    folder = tmp_path / "run"
    shutil.copytree(killed_once, folder, symlinks=True)
    status = (folder / "points.csv").stat()
    # Its path is part of what the input is; the same file at another place is tried below.
    assert status.st_mtime_ns == (killed_once / "points.csv").stat().st_mtime_ns
    return folder


def usual(points: Path) -> tuple[object, ...]:
    return (*options(k=3, n=12, input_path=points), "--labels", "labels.txt")


USUAL = usual(Path("points.csv"))
ALONE = ("--mappers", 1, "--reducers", 1)


def kill(run: BackgroundRun, *, has_result: bool = False) -> None:
    run.kill()
    assert (run.folder / "data" / "centroids.txt").exists() == has_result


def kill_after(folder: Path, moment: Callable[[Story], object], *arguments: object) -> None:
    """Run slowly, and kill the master once its story is such that this is true."""
    with BackgroundRun(folder, *SLOW, *arguments) as run:
        run.wait_until(moment, "moment to kill it")
        kill(run)


def kill_at(folder: Path, moment: str, nth: int, *arguments: object) -> None:
    """Run on one mapper and one reducer; kill the master when it comes to one of their moments."""
    gate = Gate(folder, moment, nth)
    with BackgroundRun(folder, *arguments, *ALONE, env=environment_with_hook(folder, gate.hook)) as run:
        gate.wait()
        run.wait_for(Checkpoint)
        kill(run, has_result="job_label" in moment)


def has_iterated(story: Story) -> bool:
    """Tell whether an iteration's checkpoint is there."""
    return bool(story.of(Checkpoint, file=matching(r"iteration_[1-9]\d*\.jsonl")))


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints, the newest first."""
    files = (folder / "data" / "checkpoints").glob("*.jsonl")
    return sorted(files, key=number_of, reverse=True)


def newest_of(folder: Path) -> Path:
    return checkpoints_in(folder)[0]


def found_in(folder: Path) -> tuple[str, str]:
    return centroids_of(folder), (folder / "labels.txt").read_text()


def number_of(checkpoint: Path) -> int:
    """Return the iteration of a checkpoint."""
    return int(checkpoint.stem.split("_")[1])


def resume(folder: Path, *arguments: object) -> Story:
    """Resume until the end; return what the dump says of it."""
    result = run_master(folder, *arguments, "--resume", "--quiet")
    assert (result.returncode, result.stderr) == (0, "")
    left = {path.name for path in (folder / "data").iterdir()}
    assert left <= {"centroids.txt", "mappers", "reducers"}
    assert not [*folder.glob("*.tmp"), *folder.glob("data/*.tmp")]
    return story_of(folder).last_life()


def refusal(folder: Path, *arguments: object) -> str:
    """Return why a run is not resumed; nothing of the earlier one is touched."""

    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (*folder.glob("*.*"), *checkpoints_in(folder))}

    before = files()
    result = run_master(folder, *arguments, "--resume", "--quiet")
    assert (result.returncode, result.stdout) == (2, "")
    assert files() == before
    line = re.fullmatch(r"Error: --resume: (.*)\n", result.stderr)
    assert line is not None, result.stderr
    return line[1].replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("moment", "nth"),
    [
        (MAP, 1),
        (MAP, 2),
        (opens("M1/partition_"), 2),
        (opens("R1/.output"), 2),
        (opens("R1/output."), 2),
        (opens("M1/", job="label"), 1),
    ],
    ids=["initial", "map", "fetch", "reduce", "output", "labels"],
)
def test_killed(tmp_path: Path, points: Path, undisturbed: Undisturbed, moment: str, nth: int) -> None:
    kill_at(tmp_path, moment, nth, *usual(points))
    newest = number_of(newest_of(tmp_path))
    story = resume(tmp_path, *usual(points), "--engine", "inline")
    assert story.of(Resumed) == [Resumed(iteration=newest, of=12)]
    assert not story.of(InitialCentroids)
    assert found_in(tmp_path) == undisturbed()


@pytest.mark.parametrize(
    "moment",
    [lambda story: story.of(RunStarted), lambda story: story.of(RpcCall, job="describe")],
    ids=["run_started", "describe"],
)
def test_killed_before_there_is_anything_to_resume(
    tmp_path: Path, points: Path, moment: Callable[[Story], object]
) -> None:
    kill_after(tmp_path, moment, *usual(points), "--task-delay", 60)
    assert refusal(tmp_path, *usual(points)) == NOTHING


@pytest.mark.parametrize(
    ("condition", "published"),
    [
        ("event == 'os.rename' and str(arguments[1]).endswith('centroids.txt')", False),
        ("event == 'os.remove' and os.path.exists('data/centroids.txt')", True),
    ],
    ids=["before", "after"],
)
def test_killed_when_the_result_takes_its_name(
    tmp_path: Path, points: Path, undisturbed: Undisturbed, condition: str, published: bool
) -> None:
    there = "os.path.isdir('data/checkpoints') and any(n[0] != '.' for n in os.listdir('data/checkpoints'))"
    kill = f"if {condition}:\n    while not ({there}): time.sleep(0.01)\n    os.kill(os.getpid(), 9)"
    hooked = environment_with_hook(tmp_path, kill)
    arguments = command(*usual(points), "--engine", "inline")
    ended = subprocess.run(arguments, cwd=tmp_path, env=hooked, capture_output=True, timeout=PATIENCE_S)
    assert ended.returncode == -signal.SIGKILL
    assert (tmp_path / "data" / "centroids.txt").exists() == published
    resume(tmp_path, *usual(points), "--engine", "inline")
    assert found_in(tmp_path) == undisturbed()


def test_killed_again_while_resuming(killed: Path, undisturbed: Undisturbed) -> None:
    def saved_again(story: Story, times: int) -> bool:
        resumed = story.of(Resumed)
        return len(resumed) == times and bool(story.after(resumed[-1]).of(Checkpoint))

    for times in (1, 2):
        moment = partial(saved_again, times=times)
        kill_after(killed, moment, *USUAL, "--resume", "--task-delay", 1)
        assert len(checkpoints_in(killed)) == 2
    resume(killed, *USUAL, "--engine", "inline")
    assert found_in(killed) == undisturbed()
    assert len(story_of(killed).of(Resumed)) == 3
    assert len(story_of(killed).of(RunStarted)) == 4


@pytest.mark.parametrize(
    "more",
    [
        ("--mappers", 3, "--reducers", 1, "--combine"),
        ("--intermediate", "arrow", "--threads", 2, "--fail-rate", 0.3),
        ("--engine", "inline", "--iters", 40),
        ("--engine", "inline", "--iters", 3, "--tol", "1e-04"),
    ],
    ids=lambda more: " ".join(map(str, more)),
)
def test_what_does_not_change_the_result_may_differ(
    killed: Path, undisturbed: Undisturbed, more: tuple[object, ...]
) -> None:
    story = resume(killed, *USUAL, *more)
    assert story.of(Resumed, iteration=2)
    assert found_in(killed) == undisturbed(*(more if "--iters" in more else ()))


@pytest.mark.parametrize(
    ("more", "engine"),
    [
        (("--n-init", 2, "--init", "k-means++"), "grpc"),
        (("--init-centroids", "far.txt", "--tol", 0), "inline"),
        (("--init-centroids", "far.txt", "--tol", 0, "--on-empty", "keep"), "inline"),
    ],
    ids=["starts", "empty clusters", "kept"],
)
def test_starts_and_empty_clusters(
    tmp_path: Path, points: Path, more: tuple[object, ...], engine: str
) -> None:
    for name in ("calm", "killed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "far.txt").write_text("0,0\n1000,1000\n2000,1\n")
    arguments = (*usual(points), *more, "--combine")
    assert run_here(tmp_path / "calm", *arguments, "--engine", "inline").returncode == 0
    kill_after(tmp_path / "killed", has_iterated, *arguments)
    resume(tmp_path / "killed", *arguments, "--engine", engine)
    assert found_in(tmp_path / "killed") == found_in(tmp_path / "calm")


def test_other_parameters_are_refused(killed: Path) -> None:
    """Each of them is tried in the unit tests."""
    newest = newest_of(killed).relative_to(killed)
    assert refusal(killed, *USUAL, "--k", 4) == f"--k is 4, but the checkpoint {newest} has 3"
    line = refusal(killed, *USUAL, "--iters", 1)
    assert line == f"--iters is 1, but the checkpoint {newest} is of a later iteration"


def test_an_input_that_was_only_touched_or_moved(killed: Path, undisturbed: Undisturbed) -> None:
    (killed / "points.csv").rename(killed / "moved.csv")
    os.utime(killed / "moved.csv")
    resume(killed, *usual(Path("moved.csv")), "--engine", "inline")
    assert found_in(killed) == undisturbed()


def test_a_file_read_in_another_way_is_refused(killed: Path) -> None:
    rows = "the number of rows is 59, but the checkpoint data/checkpoints/iteration_2.jsonl has 60"
    assert refusal(killed, *USUAL, "--header", "yes") == rows
    dropping = "--missing is drop, but the checkpoint data/checkpoints/iteration_2.jsonl has error"
    assert refusal(killed, *USUAL, "--missing", "drop") == dropping


@pytest.mark.parametrize("removed", [False, True])
def test_several_files(tmp_path: Path, undisturbed: Undisturbed, removed: bool) -> None:
    (tmp_path / "table").mkdir()
    for name, rows in (("a", POINTS[:50]), ("b", POINTS[50:])):
        np.savetxt(tmp_path / "table" / name, rows, "%.3f", delimiter=",")
    arguments = usual(Path("table"))
    kill_after(tmp_path, lambda story: story.of(Checkpoint, file=containing("iteration_1")), *arguments)
    if removed:
        (tmp_path / "table" / "b").unlink()
        assert refusal(tmp_path, *arguments).startswith("table is not the input of data/checkpoints/")
    else:
        assert resume(tmp_path, *arguments).of(Resumed)
        assert found_in(tmp_path) == undisturbed()


def test_a_changed_input_is_refused(killed: Path) -> None:
    path = killed / "points.csv"
    content = path.read_bytes()
    newest = newest_of(killed).relative_to(killed)
    path.write_bytes(content.replace(b"0", b"1", 1))
    line = refusal(killed, *USUAL)
    assert line == f"points.csv is not the input of {newest}: its content has changed"
    path.write_bytes(content + b"1,1\n")
    line = refusal(killed, *USUAL)
    size = len(content)
    assert line == f"points.csv is not the input of {newest}: it has {size + 4} bytes, and that had {size}"


@pytest.mark.parametrize("damage", ["torn", "empty", "bit flipped"])
def test_a_damaged_checkpoint(killed: Path, undisturbed: Undisturbed, damage: str) -> None:
    def harm(path: Path) -> None:
        data = path.read_bytes()
        flipped = bytes([*data[:-9], data[-9] ^ 1, *data[-8:]])
        times = path.stat()
        path.write_bytes({"torn": data[:-9], "empty": b"", "bit flipped": flipped}[damage])
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    newest, older = checkpoints_in(killed)
    harm(newest)
    both = killed.with_name("both")
    shutil.copytree(killed, both)
    story = resume(killed, *USUAL, "--engine", "inline")
    skipped = story.of(CheckpointSkipped, reason=containing("the checksum does not match"))
    assert [Path(each.file).name for each in skipped] == [newest.name]
    assert story.of(Resumed) == [Resumed(iteration=number_of(older), of=12)]
    assert found_in(killed) == undisturbed()
    harm(both / older.relative_to(killed))
    line = refusal(both, *USUAL)
    reason = "incomplete or damaged: the checksum does not match"
    assert line == (
        f"no checkpoint in data/checkpoints can be used ({newest.name}: {reason}; {older.name}: {reason})"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb'"iteration": \d+', b'"iteration": true'),
        (rb'"iteration": \d+', b'"iteration": ' + b"[" * 90_000 + b"]" * 90_000),
        (rb'"shift": [^,]+', b'"shift": "far"'),
        (rb'"shape": \[3, 2\]', b'"shape": [2, 3]'),
        (rb'"n_iter": (\d+)', rb'"n_iter": 9\1'),
        (rb'"digest": "', b'"digest": "no hex'),
        (rb'"--k": "3"', b'"--k": ["3"]'),
    ],
    ids=["iteration", "nested", "shift", "shape", "n_iter", "digest", "parameters"],
)
def test_a_checkpoint_that_lies(killed: Path, undisturbed: Undisturbed, old: bytes, new: bytes) -> None:
    """Its checksum is right, but this program has not written it."""

    def lie(path: Path) -> None:
        body, times = path.read_bytes().partition(b"\n")[2], path.stat()
        changed, count = re.subn(old, new, body, count=1)
        assert count == 1
        path.write_bytes(b'{"sha256": "%s"}\n%s' % (hashlib.sha256(changed).hexdigest().encode(), changed))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    newest, older = checkpoints_in(killed)
    both = killed.with_name("both")
    shutil.copytree(killed, both)
    lie(newest)
    story = resume(killed, *USUAL, "--engine", "inline")
    assert len(story.of(CheckpointSkipped, reason=containing("not written by this program: "))) == 1
    assert story.of(Resumed) == [Resumed(iteration=number_of(older), of=12)]
    assert found_in(killed) == undisturbed()
    for path in checkpoints_in(both):
        lie(path)
    assert refusal(both, *USUAL).count("not written by this program: ") == 2


def test_a_finished_run_leaves_nothing_to_resume(tmp_path: Path, points: Path) -> None:
    assert run_here(tmp_path, *usual(points), "--engine", "inline").returncode == 0
    assert refusal(tmp_path, *usual(points)) == NOTHING


def test_a_new_run_replaces_the_checkpoints_of_an_earlier_one(killed: Path) -> None:
    (killed / "dump.txt").unlink()
    other = (*USUAL, "--seed", 3)
    kill_after(killed, lambda story: story.of(Checkpoint, file=containing("iteration_0.jsonl")), *other)
    assert "--seed is 0, but" in refusal(killed, *USUAL)


def test_a_run_in_progress_is_not_resumed(tmp_path: Path, points: Path) -> None:
    with BackgroundRun(tmp_path, *usual(points), "--task-delay", 60) as run:
        run.wait_for(RpcCall, method="Map", job="describe")
        result = run_master(tmp_path, *usual(points), "--resume", "--dump", "other.txt")
        assert result.returncode == 2
        assert f"data is in use by process {run.process.pid}" in result.stderr


def test_without_checkpoints_the_run_goes_on(tmp_path: Path, points: Path, undisturbed: Undisturbed) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "checkpoints").write_text("no folder")
    result = run_here(tmp_path, *usual(points), "--engine", "inline")
    assert (result.returncode, result.stderr) == (0, "")
    assert found_in(tmp_path) == undisturbed()
    assert len(story_of(tmp_path).of(CheckpointFailed)) == 1


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, points: Path, undisturbed: Undisturbed) -> None:
    with BackgroundRun(tmp_path, *usual(points), *SLOW) as run:
        run.wait_for(Checkpoint)
        run.process.terminate()
        assert run.end()[0] == 143
    (failed,) = run.story().of(RunFailed)
    assert re.fullmatch(r"data/checkpoints/iteration_\d+\.jsonl", failed.checkpoint or "")
    resume(tmp_path, *usual(points), "--engine", "inline")
    assert found_in(tmp_path) == undisturbed()


def test_workers_from_elsewhere_serve_the_next_master(
    tmp_path: Path, points: Path, undisturbed: Undisturbed
) -> None:
    """What they keep of the input is of other splits by then."""
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    shutil.copy2(points, tmp_path)
    arguments = (*USUAL, *remote_workers(master, certs, tmp_path), *ALONE)
    with (
        JoinedWorker("mapper", master, certs, tmp_path / "a") as mapper,
        JoinedWorker("reducer", master, certs, tmp_path / "b") as reducer,
    ):
        kill_after(tmp_path, has_iterated, *arguments, "--splits", 2)
        story = resume(tmp_path, *arguments, "--splits", 5)
        assert [worker.end()[0] for worker in (mapper, reducer)] == [0, 0]
    assert found_in(tmp_path) == undisturbed()
    assert {joined.worker for joined in story.of(WorkerJoined)} == {"M1", "R1"}
