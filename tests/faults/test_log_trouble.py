"""A log that cannot be written, or a reader that goes away, never stops a run."""

import stat
import subprocess
from pathlib import Path

from common.events.catalogue.run import RunFinished
from common.events.catalogue.tasks import SUCCESS, MapFinished, ReduceFinished, RpcResponse
from tests.programs import (
    PATIENCE_S,
    SAMPLE,
    SAMPLE_CENTROIDS,
    BackgroundRun,
    JoinedWorker,
    centroids_of,
    command,
    environment,
    free_port,
    make_certificates,
    options,
    remote_workers,
    run_master,
)
from tests.story import story_of


def test_dump_on_a_full_disk(tmp_path: Path) -> None:
    result = run_master(tmp_path, *options(), "--dump", "/dev/full", "--quiet")
    assert result.returncode == 0
    assert result.stderr == "Warning: /dev/full is incomplete: No space left on device\n"
    assert sorted(centroids_of(tmp_path).splitlines()) == SAMPLE_CENTROIDS.splitlines()
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_reader_of_the_screen_goes_away(tmp_path: Path) -> None:
    with subprocess.Popen(
        command(*options()),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(timeout=PATIENCE_S) == 0
    assert story_of(tmp_path).of(RunFinished)


def test_no_standard_output_at_all(tmp_path: Path) -> None:
    arguments = " ".join(f"'{argument}'" for argument in command(*options()))
    result = subprocess.run(
        ["/bin/sh", "-c", f"exec {arguments} >&-"],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_labels_and_dump_may_be_devices(tmp_path: Path) -> None:
    result = run_master(tmp_path, *options(), "--labels", "/dev/null", "--dump", "/dev/null", "--quiet")
    assert result.returncode == 2
    assert result.stderr == "Error: --labels /dev/null would overwrite what --dump writes\n"
    result = run_master(tmp_path, *options(), "--labels", "/dev/null", "--quiet")
    assert (result.returncode, result.stderr) == (0, "")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_the_last_words_of_workers_from_elsewhere_are_in_the_dump(tmp_path: Path) -> None:
    """The run is over sooner than their log is due."""
    certs, master = make_certificates(tmp_path), f"127.0.0.1:{free_port()}"
    (tmp_path / "points.txt").write_bytes(SAMPLE.read_bytes())
    arguments = options(m=1, r=1, n=2, input_path=tmp_path / "points.txt")
    with (
        BackgroundRun(tmp_path, *arguments, *remote_workers(master, certs, tmp_path), "--splits", 4) as run,
        JoinedWorker("mapper", master, certs, tmp_path / "a"),
        JoinedWorker("reducer", master, certs, tmp_path / "b"),
    ):
        assert run.end() == (0, "")
    done = {
        (answer.job, answer.iteration, answer.task, answer.method)
        for answer in run.story().of(RpcResponse, status=SUCCESS)
        if answer.method in ("Map", "Reduce")
    }
    told = {(event.job, event.iteration, event.task, "Map") for event in run.story().of(MapFinished)}
    told |= {(event.job, event.iteration, event.task, "Reduce") for event in run.story().of(ReduceFinished)}
    assert told == done
