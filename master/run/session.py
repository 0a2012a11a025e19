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
from common.events.log import Log, RunLog, View
from common.formats.dataset import InputFile, open_input
from common.jobs.engine import Engine
from common.model import Role
from common.rpc.address import split_address
from common.rpc.credentials import Credentials, PeerRole
from common.store.folders import DataDir
from master.cluster.processes import start_workers
from master.engines.inline import InlineEngine
from master.options.groups import Hosts, RunConfig
from master.run.previous import PreviousRun
from master.run.recorder import Recorder
from master.run.settings import run_started


@dataclass(frozen=True)
class Session:
    """What a run works with."""

    engine: Engine
    file: InputFile
    data_dir: DataDir
    log: Log
    previous: PreviousRun


def _check_paths(config: RunConfig, file_names: Sequence[str]) -> None:
    """Refuse, before anything is touched, what would overwrite something or cannot be written."""
    data_dir = DataDir(config.data_dir)
    if data_dir.holds(config.input):
        raise UsageError(
            f"--input {config.input} lies in a worker's folder, which the run replaces; copy it first"
        )
    written = {"--dump": config.dump} | ({} if config.labels is None else {"--labels": config.labels})
    taken = [("the input", config.input), *(("the result", data_dir.result(name)) for name in file_names)]
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
def open_data_dir(config: RunConfig, file_names: Sequence[str] = ()) -> Iterator[DataDir]:
    """Hold the data directory, if all paths make sense."""
    _check_paths(config, file_names)
    data_dir = DataDir(config.data_dir)
    with data_dir.locked():
        yield data_dir


@contextmanager
def open_session(
    config: RunConfig,
    file: InputFile,
    data_dir: DataDir,
    view: View,
    *written: Path,
    parameters: Mapping[str, str] | None = None,
) -> Iterator[Session]:
    """Open the dump and start the engine; end all of it in any case.

    After an error that is the user's to mend, all is as before, unless the run got so far that it can be
    resumed. `written` is what it writes besides the dump and the workers' folders; `parameters` are the
    algorithm's options, for the log.
    """
    replaced = [] if config.resume else [config.dump]
    previous = PreviousRun.set_aside([*written, *data_dir.node_folders(), *replaced])
    try:
        dump = Dump(config.dump, append=config.resume)
    except UsageError:
        previous.restore()
        raise

    log = Recorder(dump, view)
    try:
        with ExitStack() as stack:
            stack.callback(log.close_view)
            log.event(run_started(config, parameters or {}, file))
            if file.header:
                log.event(Header(file=file.input.path, names=tuple(file.header)))
            engine = _start_engine(config, file, data_dir, log, stack)
            yield Session(engine, file, data_dir, log, previous)
        log.event(RunFinished())
    except BaseException as error:
        if isinstance(error, UserError) and previous.is_kept and not config.resume:
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
            print(f"Warning: {config.dump} is not complete: {dump.problem}", file=sys.stderr)  # noqa: T201


def _newest_checkpoint(data_dir: DataDir) -> str | None:
    """Return what `--resume` would go on from, if anything."""
    return next(map(str, data_dir.checkpoint_files()), None)


def open_file(config: RunConfig) -> InputFile:
    """Open the input: a file of this machine, or an address that Spark reads."""
    if config.uri is None:
        return open_input(config.input, config.columns, config.dtype)
    from master.engines.spark.uri import open_uri

    return open_uri(config)


def _start_engine(
    config: RunConfig, file: InputFile, data_dir: DataDir, log: RunLog, stack: ExitStack
) -> Engine:
    if config.engine == "inline":
        return InlineEngine(file, combine=config.tasks.combine, threads=config.tasks.threads)
    if config.engine == "spark":
        from master.engines.spark.start import start_engine as start_on_spark

        return start_on_spark(config, file, log, stack)
    if config.engine == "dask":
        from master.engines.dask.start import start_engine as start_on_dask

        return start_on_dask(config, file, log, stack)
    hosts = config.hosts
    credentials = None if hosts.certs is None else Credentials.load(hosts.certs, PeerRole.MASTER)
    processes = []
    if hosts.workers == "local":
        processes = start_workers(config.mappers, config.reducers, data_dir, _worker_options(hosts))
    from master.engines.grpc import GrpcEngine, WorkerPool  # takes a while; the workers start meanwhile

    pool = WorkerPool(
        mappers=config.mappers,
        reducers=config.reducers,
        splits=hosts.splits,
        credentials=credentials,
        listen=hosts.listen,
        data_root=None if hosts.listen is None else hosts.data_root,
    )
    return stack.enter_context(GrpcEngine(file, processes, pool, config.tasks, log))


def _worker_options(hosts: Hosts) -> list[str]:
    """Return what a worker of this machine is told, beside workers from others."""
    if hosts.listen is None or hosts.certs is None:
        return []
    host, _port = split_address(hosts.listen, "--listen")
    certs, root = hosts.certs.resolve(), hosts.data_root.resolve()
    for role in Role:
        Credentials.load(certs, role)  # a missing file is said now, in one line
    return ["--listen", f"{host}:0", "--data-root", str(root), "--certs", str(certs)]
