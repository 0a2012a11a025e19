"""What a run works with: its folder, log and engine, and what is left when it fails."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from common.errors import MapReduceError, UsageError, UserError
from common.events.catalogue.run import Header, RunFailed, RunFinished
from common.events.dump import Dump
from common.events.log import Log, View
from common.formats.dataset import InputFile, check_readable
from common.jobs.base import Engine
from common.store.folders import DataDir
from master.engines.table import EngineRequest, EngineRow, check_options, load_function
from master.options.groups import RunConfig
from master.run.previous import PreviousRun
from master.run.recorder import Recorder
from master.run.settings import run_started


@dataclass(frozen=True)
class Source:
    """The data directory, locked, the opened input, the engine to start, and the results to write."""

    data_dir: DataDir
    file: InputFile
    engine: EngineRow
    results: list[Path]


@dataclass(frozen=True)
class Session:
    """What a run works with."""

    engine: Engine
    log: Log
    previous: PreviousRun


def _check_paths(config: RunConfig, data_dir: DataDir, results: Sequence[Path]) -> None:
    """Refuse, before anything is touched, what cannot be read or written, or would be overwritten."""
    source = Path(config.input.input)
    if not config.input.is_address:
        check_readable(source)
    if data_dir.holds(source):
        raise UsageError(
            f"--input {source} is in a worker's folder, which the run deletes; copy it to another place first"
        )
    given = [] if config.given_centroids is None else [config.given_centroids]
    taken = {os.path.realpath(path): "the given centroids" for path in given}
    taken |= {os.path.realpath(path): "the result" for path in results}
    taken[os.path.realpath(source)] = "the input"
    for option, path in {"--dump": config.output.dump, "--labels": config.labels}.items():
        if path is None:
            continue
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise UsageError(f"{option} {path}: a folder, not a file")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{option} {path}: no permission to write there")
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{option} {path} would overwrite {taken[real]}")
        taken[real] = f"what {option} writes"


@contextmanager
def open_source(
    config: RunConfig, file_names: Sequence[str] = (), reserved_names: Sequence[str] = ()
) -> Iterator[Source]:
    """Check the options, lock the data directory and open the input.

    The files of an earlier run stay as they are. `file_names` are the results that this run will write,
    `reserved_names` those of others that it must not replace.
    """
    engine = check_options(config)
    data_dir = DataDir(config.output.data_dir)
    results = [data_dir.result(name) for name in file_names]
    _check_paths(config, data_dir, [*results, *map(data_dir.result, reserved_names)])
    with data_dir.locked(), ExitStack() as stack:
        yield Source(data_dir, engine.open_input(config, stack), engine, results)


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

    After an error that the user can correct, all files are as before, unless the run got so far that it can
    be resumed. `parameters` are the algorithm's options, for the log. `resumable` tells whether the run
    writes checkpoints: those that another run has left are not its own.
    """
    data_dir, file, resume = source.data_dir, source.file, config.files.resume
    tasks = config.tasks(source.engine.threads(config.workers, config.hosts))
    replaced = [] if resume else [config.output.dump]
    previous = PreviousRun.set_aside([*source.results, *data_dir.node_folders(), *replaced])
    try:
        dump = Dump(config.output.dump, append=resume)
    except UsageError:
        previous.restore()
        raise

    log = Recorder(dump, view)
    try:
        with ExitStack() as stack:
            stack.callback(log.close_view)
            log.event(run_started(config, tasks, parameters or {}, file.input))
            if file.header:
                log.event(Header(file=file.input.path, names=tuple(file.header)))
            request = EngineRequest(config, tasks, file, data_dir, log, stack)
            yield Session(load_function(source.engine.start)(request), log, previous)
        log.event(RunFinished())
    except BaseException as error:
        if isinstance(error, UserError) and previous.is_kept and not resume:
            data_dir.remove_nodes()
            log.close()
            dump.discard()
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
        if dump.problem is not None:
            text = f"Warning: {config.output.dump} is incomplete: {dump.problem}"
            print(text, file=sys.stderr)  # noqa: T201
