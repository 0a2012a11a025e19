"""How a run ends that fails: what its log says."""

from pathlib import Path

import pytest

from common.errors import RunFailedError
from common.events.catalogue.run import RunFailed
from common.events.line import read_dump
from common.store.folders import DataDir
from master.options.declare import EngineName
from master.options.groups import InputOptions, OutputOptions, RunConfig, WorkerOptions
from master.run.session import open_session, open_source
from master.views.terminal import Screen
from tests.programs import SAMPLE


@pytest.mark.parametrize("resumable", [True, False])
def test_only_a_run_that_writes_checkpoints_can_be_resumed(tmp_path: Path, resumable: bool) -> None:
    data_dir = DataDir(tmp_path / "data")
    data_dir.root.mkdir()
    data_dir.write_checkpoint(3, b"of an earlier run, perhaps of another algorithm")
    config = RunConfig(
        input=InputOptions(str(SAMPLE)),
        output=OutputOptions(data_dir.root, tmp_path / "dump.txt"),
        workers=WorkerOptions(1, 1, engine=EngineName("inline")),
    )
    with (
        open_source(config) as source,
        pytest.raises(RunFailedError),
        open_session(config, source, Screen(), resumable=resumable),
    ):
        raise RunFailedError("no worker is left")
    (failed,) = [e.event for e in read_dump(config.output.dump) if isinstance(e.event, RunFailed)]
    assert failed.checkpoint == (str(data_dir.checkpoint(3)) if resumable else None)
