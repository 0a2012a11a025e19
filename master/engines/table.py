"""The table of engines: a new engine is a module with a start function, and a row here.

Only an engine's own modules and its row know its name: the command line, the validation of options, the
run and the estimator all ask the table.
"""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np

from common.errors import UsageError
from common.events.log import RunLog
from common.formats.dataset import InputFile, open_input, open_lines
from common.machine import cores
from common.model import FloatType, PointArray, TaskOptions
from common.store.folders import DataDir
from master.options.declare import given_options
from master.options.groups import HostOptions, RunConfig, WorkerOptions

_REFUSED_ON_CLUSTERS = {
    **dict.fromkeys(("--keep-iterations", "--intermediate"), "it writes no intermediate files"),
    "--fail-rate": "its cluster handles failures itself; kill one of its worker processes instead",
}


@dataclass(frozen=True)
class EngineRequest:
    """What an engine starts from; `tasks` are what workers are told with each task.

    The data directory is locked. `stack` ends what the engine starts. `prepared` is what `prepare` of its row
    returned.
    """

    config: RunConfig
    tasks: TaskOptions
    file: InputFile
    data_dir: DataDir
    log: RunLog
    stack: ExitStack
    prepared: Any = None


@dataclass(frozen=True)
class Package:
    """What an engine needs that is not installed with us: the module to import, and how to install it."""

    name: str
    module: str
    pip: str


def _shared_cores(workers: WorkerOptions, hosts: HostOptions) -> int:
    """Share this machine's cores among its mappers."""
    if hosts.workers == "remote":
        return workers.threads
    return workers.threads or max(1, cores() // workers.mappers)


@dataclass(frozen=True)
class EngineRow:
    """An engine; a function is named as "module:function", and imported when it is needed.

    Parameters
    ----------
    help
        One line for the command line's help.
    start
        Takes an `EngineRequest`, returns the running `Engine`.
    prepare
        Takes a `RunConfig` and an `ExitStack`, before the input is opened. Begins what takes a while.
    threads
        Returns the threads of a map task; 0 lets the worker's host decide. A cluster gives a task one core.
    takes, refuses
        Options that not every engine takes; options that do not apply to it, and why.
    writes_files
        Whether its workers write files, in folders of their own.
    open_address
        Takes a `RunConfig` and an `ExitStack`, returns the opened input, an address such as hdfs://host/file.
    open_array
        For an engine in this process: makes the `Engine` from rows in memory. Other engines get such rows
        as a file.
    package
        What it needs to be installed.
    open_data
        For data of that package, which lie on a cluster: takes them and a number of workers to start if there
        are none; a context that gives `ClusterData`.
    """

    help: str
    start: str
    prepare: str | None = None
    threads: Callable[[WorkerOptions, HostOptions], int] = lambda workers, _hosts: workers.threads or 1
    takes: tuple[str, ...] = ()
    refuses: Mapping[str, str] = field(default_factory=dict)
    writes_files: bool = False
    open_address: str | None = None
    open_array: str | None = None
    package: Package | None = None
    open_data: str | None = None

    def prepared(self, config: RunConfig, stack: ExitStack) -> Any:
        """Begin what takes a while, if there is such a thing; `stack` ends it."""
        return self.prepare and load_function(self.prepare)(config, stack)

    def open_input(self, config: RunConfig, stack: ExitStack) -> InputFile:
        """Open the input: a file of this machine, or an address; `stack` ends what that starts."""
        if self.open_address is not None and config.input.is_address:
            return cast(InputFile, load_function(self.open_address)(config, stack))
        if config.input.reads_lines:
            return open_lines(config.input.input)
        if config.input.rows is not None:
            return _open_rows(config.input.rows, stack)
        return open_input(config.input.input, config.columns, config.input.dtype, config.text)


def _open_rows(rows: PointArray, stack: ExitStack) -> InputFile:
    """Write rows in memory for the workers into a private temporary folder, which `stack` removes."""
    path = Path(stack.enter_context(TemporaryDirectory(prefix="kmeans-"))) / "rows.npy"
    np.save(path, rows)
    return open_input(path, dtype=FloatType(rows.dtype.name))


ENGINES = {
    "grpc": EngineRow(
        help="mapper and reducer processes",
        start="master.engines.grpc.start:start_engine",
        prepare="master.engines.grpc.start:prepare",
        threads=_shared_cores,
        takes=("--splits", "--listen"),
        writes_files=True,
    ),
    "inline": EngineRow(
        help="this process alone, for comparison",
        start="master.engines.inline:start_engine",
        threads=lambda workers, _hosts: workers.threads or cores(),
        open_array="master.engines.inline:InlineEngine",
    ),
    "spark": EngineRow(
        help="M map tasks and R reduce tasks on a Spark cluster",
        start="master.engines.spark.engine:start_engine",
        takes=("--spark-master", "--conf", "--cluster-timeout"),
        refuses=_REFUSED_ON_CLUSTERS,
        open_address="master.engines.spark.rows:open_address",
        package=Package("pyspark", module="pyspark", pip="'pyspark>=4,<5'"),
        open_data="master.engines.spark.engine:open_data",
    ),
    "dask": EngineRow(
        help="M map tasks and R reduce tasks on a Dask cluster",
        start="master.engines.dask.engine:start_engine",
        takes=("--dask-scheduler", "--cluster-timeout"),
        refuses=_REFUSED_ON_CLUSTERS,
        package=Package("dask", module="distributed", pip="dask distributed"),
        open_data="master.engines.dask.engine:open_data",
    ),
}
"""By name; the command line lists them in this order."""

IN_THIS_PROCESS = "inline"
"""The engine for what needs no other process."""


def load_function(target: str) -> Any:
    """Import "module:function"."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def check_installed(engine: str) -> None:
    """Raise UsageError if an engine's package is missing; the text says how to install it."""
    package = ENGINES[engine].package
    if package is not None and find_spec(package.module) is None:
        raise UsageError(f"--engine {engine} needs {package.name}: pip install {package.pip}")


def check_options(config: RunConfig) -> EngineRow:
    """Return the engine's row.

    Raises
    ------
    UsageError
        An option is another engine's or does not apply to this one, or the engine is not installed.
    """
    engine, source = config.workers.engine, config.input
    given = given_options(config.workers, config.hosts, config.cluster, config.files, config.failures)
    row = ENGINES[engine]
    for owner, other in ENGINES.items():
        for option in other.takes:
            if option in given and option not in row.takes:
                raise UsageError(f"{option} is for --engine {owner}, not for {engine}")
    if source.is_address and row.open_address is None:
        readers = " or ".join(name for name, other in ENGINES.items() if other.open_address)
        raise UsageError(f"--input {source.input}: only --engine {readers} reads such addresses")
    for option, reason in row.refuses.items():
        if option in given:
            raise UsageError(f"{option} does not apply to --engine {engine}: {reason}")
    check_installed(engine)
    return row
