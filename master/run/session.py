"""What a run works with: its folder, log and engine, and what is left when it fails."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import MapReduceError, UserError
from common.events.catalogue.run import RunFailed, RunFinished
from common.events.dump import Dump
from common.events.log import RunLog, View
from common.formats.dataset import InputFile
from common.jobs.base import Engine
from common.store.files import is_standard_output, resolve
from common.store.folders import DataDir
from common.store.log_file import LogFile
from master.engines.table import EngineRequest, EngineRow, check_options, load_function
from master.options.groups import RunConfig
from master.run.places import check_places
from master.run.previous import PreviousRun
from master.run.recorder import Recorder
from master.run.settings import run_started, understood


@dataclass(frozen=True)
class Source:
    """The data directory, locked, the opened input, and the engine to start, with what its row has prepared.

    `labels` is where labels go, links followed.
    """

    data_dir: DataDir
    file: InputFile
    engine: EngineRow
    prepared: Any
    labels: Path | None


@dataclass(frozen=True)
class Session:
    """What a run works with; `show_all` shows what has happened so far, and no more of it later."""

    engine: Engine
    log: RunLog
    previous: PreviousRun
    show_all: Callable[[], None]


@contextmanager
def open_source(config: RunConfig, file_names: Sequence[str] = ()) -> Iterator[Source]:
    """Check the options, lock the data directory and open the input.

    The files of an earlier run stay as they are. `file_names` are the results that this run will write.
    """
    engine = check_options(config)
    data_dir = DataDir(config.output.data_dir)
    check_places(config, data_dir, file_names)
    labels = config.labels
    if labels is not None and not is_standard_output(labels):
        labels = resolve(labels)
    with data_dir.locked(file_names), ExitStack() as stack:
        prepared = engine.prepared(config, stack)
        yield Source(data_dir, engine.open_input(config, stack), engine, prepared, labels)


@contextmanager
def open_session(
    config: RunConfig,
    source: Source,
    view: View,
    parameters: Mapping[str, str] | None = None,
    *,
    resumable: bool = False,
) -> Iterator[Session]:
    """Open the dump and start the engine; end both in any case.

    The run is finished when the block is; an engine that then can't be ended makes it fail all the same.
    After an error that the user can correct, all files are as before, unless the run got so far that it can
    be resumed. `parameters` are the algorithm's options, for the log. `resumable` tells whether the run
    writes checkpoints: those that another run has left are not its own.
    """
    data_dir, file, resume = source.data_dir, source.file, config.files.resume
    tasks = config.tasks(source.engine.threads(config.workers, config.hosts))
    log_file = LogFile(config.output.dump, append=resume)
    previous = PreviousRun(data_dir, log_file)
    dump = Dump(log_file.path, append=True)
    log = Recorder(dump, view)
    try:
        with ExitStack() as stack:
            stack.callback(log.close_view)
            log.event(run_started(config, tasks, parameters or {}, file.input))
            log.event(understood(file))
            request = EngineRequest(config, tasks, file, data_dir, log, stack, source.prepared)
            engine = load_function(source.engine.start)(request)
            yield Session(engine, log, previous, log.close_view)
            log.event(RunFinished())
            log.close_view()
    except BaseException as error:
        if isinstance(error, UserError) and previous.is_kept and not resume:
            log.close()
            previous.restore()
        else:
            reason = str(error) if isinstance(error, MapReduceError) else repr(error)
            checkpoints = data_dir.checkpoint_files() if resumable else []
            log.event(RunFailed(reason=reason, checkpoint=next(map(str, checkpoints), None)))
        raise
    finally:
        previous.discard()
        log.close()
        dump.close()
        log_file.close()
        if dump.problem is not None:
            text = f"Warning: {config.output.dump} is incomplete: {dump.problem}"
            print(text, file=sys.stderr)  # noqa: T201
