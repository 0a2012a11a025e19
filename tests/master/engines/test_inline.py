"""The engine in the master's process."""

from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np

from common.formats.dataset import open_input
from common.jobs.centroids import Label
from common.model import TaskOptions
from common.store.folders import DataDir
from master.engines.inline import InlineEngine, start_engine
from master.engines.table import EngineRequest
from master.options.groups import InputOptions, OutputOptions, RunConfig, WorkerOptions
from master.run.recorder import Recorder
from master.views.terminal import Screen

STATE = {"centroids": np.array([[0.0, 0.0], [9.0, 9.0]])}


def test_a_file_and_rows_in_memory_give_the_same(tmp_path: Path) -> None:
    points = np.array([[1.0, 2.0], [8.0, 7.0], [0.5, 0.5]])
    path = tmp_path / "points.npy"
    np.save(path, points)
    config = RunConfig(
        input=InputOptions(str(path)), output=OutputOptions(tmp_path), workers=WorkerOptions(1, 1)
    )
    with closing(Recorder(None, Screen())) as log, ExitStack() as stack:
        request = EngineRequest(config, TaskOptions(), open_input(path), DataDir(tmp_path), log, stack)
        engine = start_engine(request)
        in_memory = InlineEngine(points, combine=True, threads=2)
        path.write_bytes(b"")  # were it mapped, this process would die
        found = [b"".join(map(bytes, each.map_only(Label(), STATE))) for each in (engine, in_memory)]
        assert found == [b"0\n1\n0\n"] * 2
