"""How a run ends: what its log says."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from common.errors import RunFailedError
from common.events.catalogue.run import RunFailed, RunFinished
from common.events.line import Entry, read_dump
from common.jobs.base import Engine
from common.store.folders import DataDir
from master.algorithms.kmeans.algorithm import KMeansAlgorithm
from master.algorithms.kmeans.config import KMeansConfig
from master.engines.inline import start_engine
from master.engines.table import EngineRequest
from master.options.declare import EngineName
from master.options.groups import InputOptions, OutputOptions, RunConfig, WorkerOptions
from master.run.runner import run
from master.run.session import open_session, open_source
from master.views.terminal import Screen
from tests.programs import SAMPLE


def config_in(folder: Path) -> RunConfig:
    return RunConfig(
        input=InputOptions(str(SAMPLE)),
        output=OutputOptions(folder / "data", folder / "dump.txt"),
        workers=WorkerOptions(1, 1, engine=EngineName("inline")),
    )


@pytest.mark.parametrize("resumable", [True, False])
def test_only_a_run_that_writes_checkpoints_can_be_resumed(tmp_path: Path, resumable: bool) -> None:
    data_dir = DataDir(tmp_path / "data")
    data_dir.root.mkdir()
    data_dir.write_checkpoint(3, b"of an earlier run, perhaps of another algorithm")
    config = config_in(tmp_path)
    with (
        open_source(config) as source,
        pytest.raises(RunFailedError),
        open_session(config, source, Screen(), resumable=resumable),
    ):
        raise RunFailedError("no worker is left")
    (failed,) = [e.event for e in read_dump(config.output.dump) if isinstance(e.event, RunFailed)]
    assert failed.checkpoint == (str(data_dir.checkpoint(3)) if resumable else None)


class Events(Screen):
    """Remembers what is shown and said, and what happened at the end of the engine."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def show(self, entries: Sequence[Entry]) -> None:
        self.seen += [entry.event.name for entry in entries]


def run_with_engine_that_ends(folder: Path, view: Events, end: Callable[[], None]) -> None:
    """Run on an engine in this process that does something when it is ended."""

    def start(request: EngineRequest) -> Engine:
        request.stack.callback(end)
        return start_engine(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("master.engines.inline.start_engine", start)
        algorithm = KMeansAlgorithm(KMeansConfig(2, iterations=3))
        run(config_in(folder), algorithm, view, lambda _: view.seen.append("told"))


def test_the_result_is_told_before_the_workers_end(tmp_path: Path) -> None:
    view = Events()

    def end() -> None:
        assert (tmp_path / "data" / "centroids.txt").exists()
        view.seen.append("the engine ends")

    run_with_engine_that_ends(tmp_path, view, end)
    assert view.seen[-2:] == ["run_finished", "the engine ends"]
    assert view.seen.index("result") < view.seen.index("told") == len(view.seen) - 3


def test_workers_that_cannot_be_ended_are_told_of(tmp_path: Path) -> None:
    def end() -> None:
        raise RunFailedError("a worker does not end")

    with pytest.raises(RunFailedError, match="a worker does not end"):
        run_with_engine_that_ends(tmp_path, Events(), end)
    finished, failed = [entry.event for entry in read_dump(tmp_path / "dump.txt")][-2:]
    assert isinstance(finished, RunFinished)
    assert failed == RunFailed(reason="a worker does not end")
    assert (tmp_path / "data" / "centroids.txt").exists()
