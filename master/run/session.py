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
from common.formats.base import InputFile
from common.formats.dataset import check_readable
from common.jobs.engine import Engine
from common.store.folders import DataDir
from master.engines.base import EngineRequest, EngineRow, load_function
from master.engines.table import check_options
from master.options.config import RunConfig
from master.run.previous import PreviousRun
from master.run.recorder import Recorder
from master.run.settings import run_started


@dataclass(frozen=True)
class Source:
    """The data directory, locked, the opened input, and the engine to start over it."""

    data_dir: DataDir
    file: InputFile
    engine: EngineRow


@dataclass(frozen=True)
class Session:
    """What a run works with."""

    engine: Engine
    log: Log
    previous: PreviousRun


def _check_paths(config: RunConfig, file_names: Sequence[str]) -> None:
    """Refuse, before anything is touched, what cannot be read or written, or would be overwritten."""
    data_dir, source = DataDir(config.output.data_dir), Path(config.input.input)
    if not config.input.is_address:
        check_readable(source)
    if data_dir.holds(source):
        raise UsageError(f"--input {source} lies in a worker's folder, which the run replaces; copy it first")
    written = {"--dump": config.output.dump} | ({} if config.labels is None else {"--labels": config.labels})
    taken = [("the input", source), *(("the result", data_dir.result(name)) for name in file_names)]
    if config.given_centroids is not None:
        taken.append(("the given centroids", config.given_centroids))
    for option, path in written.items():
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path}: there is no folder {path.parent}")
        if path.is_dir():
            raise UsageError(f"{option} {path}: a folder, not a file")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise UsageError(f"{option} {path}: no permission to write there")
        for what, other in taken:
            if os.path.realpath(path) == os.path.realpath(other):
                raise UsageError(f"{option} {path} would overwrite {what}")
        taken.append((f"what {option} writes", path))


@contextmanager
def open_source(config: RunConfig, file_names: Sequence[str] = ()) -> Iterator[Source]:
    """Lock the data directory, if all options make sense, then open the input; end what that started.

    Nothing of an earlier run is touched yet.
    """
    engine = check_options(config)
    _check_paths(config, file_names)
    data_dir = DataDir(config.output.data_dir)
    with data_dir.locked(), ExitStack() as stack:
        yield Source(data_dir, load_function(engine.open_input)(config, stack), engine)


@contextmanager
def open_session(
    config: RunConfig, source: Source, view: View, *written: Path, parameters: Mapping[str, str] | None = None
) -> Iterator[Session]:
    """Open the dump and start the engine; end all of it in any case.

    After an error that is the user's to mend, all is as before, unless the run got so far that it can be
    resumed. `written` is what it writes besides the dump and the workers' folders; `parameters` are the
    algorithm's options, for the log.
    """
    data_dir, file = source.data_dir, source.file
    tasks = config.tasks(source.engine.threads(config.workers, config.hosts))
    replaced = [] if config.files.resume else [config.output.dump]
    previous = PreviousRun.set_aside([*written, *data_dir.node_folders(), *replaced])
    try:
        dump = Dump(config.output.dump, append=config.files.resume)
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
        if isinstance(error, UserError) and previous.is_kept and not config.files.resume:
            data_dir.remove_nodes()
            log.close()
            dump.discard()
            previous.restore()
        else:
            reason = str(error) if isinstance(error, MapReduceError) else repr(error)
            log.event(RunFailed(reason=reason, checkpoint=_newest_checkpoint(data_dir)))
        raise
    finally:
        previous.discard()
        log.close()
        dump.close()
        if dump.problem is not None:
            text = f"Warning: {config.output.dump} is not complete: {dump.problem}"
            print(text, file=sys.stderr)  # noqa: T201


def _newest_checkpoint(data_dir: DataDir) -> str | None:
    """Return what `--resume` would go on from, if anything."""
    return next(map(str, data_dir.checkpoint_files()), None)
