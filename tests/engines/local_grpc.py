"""The grpc engine on workers of this machine, for tests that use it without the command line."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from common.events.log import View
from common.formats.dataset import InputFile
from common.model import TaskOptions
from common.store.folders import DataDir
from master.cluster.processes import WorkerProcess, start_workers
from master.engines.grpc.engine import GrpcEngine
from master.engines.table import EngineRequest
from master.options.config import RunConfig
from master.options.groups import InputOptions, OutputOptions, WorkerOptions
from master.run.recorder import Recorder
from master.views.terminal import Screen


def start(folder: Path, m: int, r: int) -> list[WorkerProcess]:
    """Start workers whose folders are below folder/data."""
    return start_workers(m, r, DataDir(folder / "data"))


@contextmanager
def grpc_engine(
    folder: Path,
    file: InputFile,
    m: int,
    r: int,
    tasks: TaskOptions | None = None,
    *,
    processes: list[WorkerProcess] | None = None,
    view: View | None = None,
) -> Iterator[GrpcEngine]:
    """Run M mappers and R reducers, those given or new ones, until the block ends."""
    data_dir = DataDir(folder / "data")
    config = RunConfig(
        input=InputOptions(file.input.path), output=OutputOptions(data_dir.root), workers=WorkerOptions(m, r)
    )
    with closing(Recorder(None, view or Screen())) as log, ExitStack() as stack:
        started = processes or start(folder, m, r)
        request = EngineRequest(config, tasks or TaskOptions(), file, data_dir, log, stack)
        yield stack.enter_context(GrpcEngine(request, started))
