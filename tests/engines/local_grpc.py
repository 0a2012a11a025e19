"""The grpc engine on workers of this machine, for tests that use it without the command line."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from common.events.log import View
from common.formats.dataset import InputFile
from common.jobs.base import Engine
from common.model import TaskOptions
from common.store.folders import DataDir
from master.engines.grpc.start import prepare, start_engine
from master.engines.table import EngineRequest
from master.options.groups import InputOptions, OutputOptions, RunConfig, WorkerOptions
from master.run.recorder import Recorder
from master.views.terminal import Screen


@contextmanager
def grpc_engine(
    folder: Path,
    file: InputFile,
    m: int,
    r: int,
    tasks: TaskOptions | None = None,
    *,
    view: View | None = None,
) -> Iterator[Engine]:
    """Run M mappers and R reducers, whose folders are below folder/data, until the block ends."""
    data_dir = DataDir(folder / "data")
    config = RunConfig(
        input=InputOptions(file.input.path), output=OutputOptions(data_dir.root), workers=WorkerOptions(m, r)
    )
    with closing(Recorder(None, view or Screen())) as log, ExitStack() as stack:
        forks = prepare(config, stack)
        yield start_engine(EngineRequest(config, tasks or TaskOptions(), file, data_dir, log, stack, forks))
