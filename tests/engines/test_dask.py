"""On Dask, the same bytes: whatever R and combiner, on any cluster, and when a worker dies."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from common.events.catalogue.base import Event
from common.events.catalogue.run import IterationStarted
from common.events.catalogue.tasks import StageStarted, TaskFinished
from common.events.catalogue.workers import Cluster, WorkerLeft
from common.events.log import Log
from common.formats.dataset import open_input, open_lines
from common.jobs.lloyd import LloydStep
from common.jobs.rows import Describe
from common.kernels.exact import SumGrid
from common.model import FloatType, TaskOptions
from master.engines.inline import InlineEngine
from tests.engines.classified import PARTS, classified_by, expected_classification, open_jobs
from tests.engines.runs import (
    CASES,
    Expected,
    cluster,
    combined_result,
    expected_search,
    make_inputs,
    needs,
    open_combined,
    open_weighted,
    result,
    searched,
    weighted_result,
)
from tests.engines.words import counted_by, write_words
from tests.programs import SAMPLE_CENTROIDS, BackgroundRun, centroids_of, options, run_master
from tests.story import ListLog

needs("distributed", "cryptography")

from master.engines.dask.connect import connect  # noqa: E402
from master.engines.dask.engine import DaskEngine, Parts  # noqa: E402

ONLY_SPARK = ": only --engine spark reads such addresses"
NO_FILES = ": it writes no intermediate files"
NOT_OURS = ": its cluster handles failures itself; kill one of its worker processes instead"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connect(None, 3) as client:
        yield client


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    return Expected(make_inputs(tmp_path_factory.mktemp("inputs")))


def engine(client: Any, path: Path, r: int, combine: bool, log: Log, dtype: str = "float64") -> DaskEngine:
    rows = Parts.of_file(open_input(path, dtype=FloatType(dtype)), 3)
    return DaskEngine(client, rows, TaskOptions(combine=combine), r, log)


@pytest.mark.parametrize(("name", "r", "combine"), CASES)
def test_same_bytes(client: Any, expected: Expected, name: str, r: int, combine: bool) -> None:
    log = ListLog()
    path = expected.inputs[name]
    with engine(client, path, r, combine, log) as ours:
        assert result(ours, path, name) == expected(name)
    tasks = log.of(TaskFinished)
    assert {task.status for task in tasks} == {"SUCCESS"}
    assert all((task.cpu_ms or 0) > 0 and (task.peak_bytes or 0) > 1e6 for task in tasks)
    first = [task for task in tasks if task.iteration == 1]
    assert {task.task for task in first if task.method == "Map"} == {1, 2, 3}
    assert {task.task for task in first if task.method == "Reduce"} == set(range(1, r + 1))
    begun = {stage.stage for stage in log.of(StageStarted) if stage.iteration == 1}
    assert {(task.stage, task.job) for task in first} == {(stage, "lloyd") for stage in begun}


@pytest.mark.parametrize(("combine", "between"), [(True, 0), (False, 3 * 2)])
def test_few_numbers_take_no_task_between_map_and_reduce(
    client: Any, expected: Expected, combine: bool, between: int
) -> None:
    def tasks_that_cut() -> int:
        prefixes = client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.task_prefixes)
        return int(prefixes["getitem"].state_counts["waiting"]) if "getitem" in prefixes else 0

    before = tasks_that_cut()
    with engine(client, expected.inputs["sample"], 2, combine, ListLog()) as ours:
        found = ours.map_reduce(
            LloydStep(SumGrid((5, 5), 20, 3)), {"centroids": np.array([[0.0, 0], [9, 1]])}
        )
    assert [int(result[0, 2]) for result in found.values()] == [12, 19]
    assert tasks_that_cut() - before == between


def test_several_k_and_their_measures(client: Any, expected: Expected) -> None:
    path = expected.inputs["iris"]
    with engine(client, path, 2, False, ListLog()) as ours:
        assert searched(ours, path) == expected_search(path)


def test_all_options_at_once(client: Any, tmp_path: Path) -> None:
    file = open_combined(tmp_path)
    with DaskEngine(client, Parts.of_file(file, 3), TaskOptions(), 2, ListLog()) as ours:
        assert combined_result(ours, file) == combined_result(InlineEngine(file, combine=True), file)


@pytest.mark.parametrize("combine", [True, False])
def test_weights(client: Any, tmp_path: Path, combine: bool) -> None:
    file = open_weighted(tmp_path)
    here = weighted_result(InlineEngine(file, combine=True))
    with DaskEngine(client, Parts.of_file(file, 3), TaskOptions(combine=combine), 2, ListLog()) as ours:
        assert weighted_result(ours) == here


@pytest.mark.parametrize(("r", "combine"), [(2, True), (3, False)])
def test_words(client: Any, tmp_path: Path, r: int, combine: bool) -> None:
    path = tmp_path / "words"
    expected = write_words(path)
    rows = Parts.of_file(open_lines(path), 3)
    options = TaskOptions(combine=combine)
    with DaskEngine(client, rows, options, r, ListLog()) as ours:
        assert counted_by(ours) == expected


def test_classification_with_a_model_for_each_part(client: Any) -> None:
    rows = Parts.of_file(open_jobs(), PARTS)
    with DaskEngine(client, rows, TaskOptions(), 2, ListLog()) as ours:
        assert classified_by(ours) == expected_classification()


def test_float32(client: Any, expected: Expected) -> None:
    path = expected.inputs["iris"]
    with engine(client, path, 2, True, ListLog(), "float32") as ours:
        assert result(ours, path, "iris") == expected("iris", FloatType.FLOAT32)


def test_a_worker_killed_in_mid_run(client: Any, expected: Expected) -> None:
    """It dies when the second iteration's log appears; the others do its work, and it comes back."""
    path = expected.inputs["many"]
    pids = client.run(os.getpid)

    class Killer(ListLog):
        def event(self, event: Event) -> None:
            super().event(event)
            if isinstance(event, StageStarted) and event.iteration == 2:
                psutil.Process(next(iter(pids.values()))).kill()

    rows = Parts.of_file(open_input(path), 3)
    log = Killer()
    with DaskEngine(client, rows, TaskOptions(combine=True), 2, log) as ours:
        assert result(ours, path, "many", log) == expected("many")
    assert [event.worker for event in log.of(WorkerLeft)] == [next(iter(pids))]


def test_a_long_task_is_not_taken_for_dead(client: Any, expected: Expected) -> None:
    path = expected.inputs["sample"]
    rows, options = Parts.of_file(open_input(path), 3), TaskOptions(combine=True, delay_s=9)
    with DaskEngine(client, rows, options, 2, ListLog(), timeout_s=3) as ours:
        found = ours.map_reduce(Describe(), {})
    inline = InlineEngine(open_input(path), combine=True).map_reduce(Describe(), {})
    np.testing.assert_equal(found, inline)


def test_command_line(tmp_path: Path) -> None:
    """A cluster of its own; nothing of it is left."""
    ended = run_master(tmp_path, *options(m=2, r=2), "--engine", "dask", "--labels", "labels.txt")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
    assert len((tmp_path / "labels.txt").read_text().splitlines()) == 31
    assert "dashboard http://127.0.0.1:" in ended.stdout
    assert "Reduce task 2 SUCCESS" in ended.stdout


def test_bad_input_is_refused_by_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.txt"
    path.write_text("1,2\n3,4\n5,x\n")
    ended = run_master(tmp_path, *options(input_path=path), "--engine", "dask", "--quiet")
    assert (ended.returncode, ended.stderr) == (
        2,
        f"Error: {path}, line 3, column 2: 'x' is not a number (to leave the column out: --columns 1)\n",
    )


def test_a_cluster_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "dask"
    with cluster("dask", folder) as call:
        url = (folder / "address").read_text()
        asked = [*options(m=3, r=2), "--engine", "dask", "--dask-scheduler", url, "--quiet"]
        refused = run_master(tmp_path, *asked)
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"Error: --dask-scheduler {url} rejected the connection: ")
        assert refused.stderr.count("\n") == 1
        plain = url.replace("tls:", "tcp:")
        assert run_master(tmp_path, *asked, "--dask-scheduler", plain).returncode == 2
        monkeypatch.setenv("DASK_CONFIG", str(folder / "conf"))
        with BackgroundRun(tmp_path, *asked[:-1], "--task-delay", "0.2") as run:
            run.wait_for(Cluster)
            run.wait_for(IterationStarted, iteration=2)
            _worker_of(folder).kill()
            assert run.end() == (0, "")
        assert centroids_of(tmp_path) == SAMPLE_CENTROIDS
        assert call("up").returncode == 1  # it is up already
        assert {path.stat().st_mode & 0o777 for path in (folder / "conf").iterdir()} == {0o600}


def _worker_of(folder: Path) -> psutil.Process:
    """Return the process that works, below its nanny."""
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "distributed.cli.dask_worker" in line and str(folder / "work") in line:
            return next(child for child in process.children() if "spawn_main" in " ".join(child.cmdline()))
    raise AssertionError("no worker")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dask-scheduler", "http://x"], "--dask-scheduler http://x: it must be tcp://host:port or tls://host:port"),
        (["--intermediate", "arrow"], f"--intermediate does not apply to --engine dask{NO_FILES}"),
        (["--keep-iterations"], f"--keep-iterations does not apply to --engine dask{NO_FILES}"),
        (["--fail-rate", 0.5], f"--fail-rate does not apply to --engine dask{NOT_OURS}"),
        (["--conf", "a=b"], "--conf is for --engine spark, not for dask"),
        (["--input", "hdfs://host/file"], f"--input hdfs://host/file{ONLY_SPARK}"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)  # fmt: skip
def test_refused_options(tmp_path: Path, arguments: list[object], message: str) -> None:
    ended = run_master(tmp_path, *options(), "--engine", "dask", *arguments)
    assert (ended.returncode, ended.stderr) == (2, f"Error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_nobody_answers(tmp_path: Path) -> None:
    ended = run_master(tmp_path, *options(), "--engine", "dask", "--dask-scheduler", "tcp://127.0.0.1:1")
    reason = "no answer (Connection refused). Is the scheduler running? Is the port right?"
    message = f"Error: --dask-scheduler tcp://127.0.0.1:1: {reason}\n"
    assert (ended.returncode, ended.stderr) == (2, message)
