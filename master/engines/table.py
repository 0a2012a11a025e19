"""The table of engines: a new engine is a module with a start function, and a row here.

Nothing outside an engine's own modules and its row knows its name: the command line, the validation of
options, the run and the estimator all ask the table.
"""

from common.errors import UsageError
from common.machine import cores
from master.engines.base import EngineRow, Package, check_installed
from master.options.config import RunConfig
from master.options.groups import HostOptions, WorkerOptions

_NO_FILES = "it writes no files between map and reduce"
_OWN_FAILURES = "its failures are its own to handle: kill a worker process instead"
_REFUSED_ON_CLUSTERS = {
    "--keep-iterations": _NO_FILES,
    "--intermediate": _NO_FILES,
    "--fail-rate": _OWN_FAILURES,
}


def _shared_cores(workers: WorkerOptions, hosts: HostOptions) -> int:
    """Share this machine's cores among its mappers."""
    if hosts.workers == "remote":
        return workers.threads
    return workers.threads or max(1, cores() // workers.mappers)


def _all_cores(workers: WorkerOptions, _hosts: HostOptions) -> int:
    return workers.threads or cores()


def _one_core(workers: WorkerOptions, _hosts: HostOptions) -> int:
    """Use the one core that a cluster gives a task."""
    return workers.threads or 1


ENGINES = {
    "grpc": EngineRow(
        help="mapper and reducer processes",
        start="master.engines.grpc.start:start_engine",
        threads=_shared_cores,
        takes=("--splits", "--listen"),
        writes_files=True,
    ),
    "inline": EngineRow(
        help="this process alone, for comparison",
        start="master.engines.inline:start_engine",
        threads=_all_cores,
        open_array="master.engines.inline:open_array",
    ),
    "spark": EngineRow(
        help="M map tasks and R reduce tasks on a Spark cluster",
        start="master.engines.spark.start:start_engine",
        threads=_one_core,
        takes=("--spark-master", "--conf"),
        refuses=_REFUSED_ON_CLUSTERS,
        open_input="master.engines.spark.start:open_input",
        reads_addresses=True,
        package=Package("pyspark", module="pyspark", pip="'pyspark>=4,<5'"),
        data_package="pyspark",
        open_data="master.estimator.on_spark:open_data",
    ),
    "dask": EngineRow(
        help="M map tasks and R reduce tasks on a Dask cluster",
        start="master.engines.dask.start:start_engine",
        threads=_one_core,
        takes=("--dask-scheduler",),
        refuses=_REFUSED_ON_CLUSTERS,
        package=Package("dask", module="distributed", pip="dask distributed"),
        data_package="dask",
        open_data="master.estimator.on_dask:open_data",
    ),
}
"""By name; the command line lists them in this order."""

IN_THIS_PROCESS = "inline"
"""The engine for what needs no other process."""


def check_options(config: RunConfig) -> EngineRow:
    """Return the engine's row.

    Raises
    ------
    UsageError
        An option is another engine's or makes no sense with this one, or the engine is not installed.
    """
    engine, source, given = config.workers.engine, config.input, config.given()
    row = ENGINES[engine]
    for option in [option for other in ENGINES.values() for option in other.takes]:
        if option in given and option not in row.takes:
            owners = [name for name, other in ENGINES.items() if option in other.takes]
            raise UsageError(f"{option} is for --engine {' or '.join(owners)}, not for {engine}")
    if source.is_address and not row.reads_addresses:
        readers = [name for name, other in ENGINES.items() if other.reads_addresses]
        raise UsageError(
            f"--input {source.input}: only --engine {' or '.join(readers)} reads addresses like this one"
        )
    for option, reason in row.refuses.items():
        if option in given:
            raise UsageError(f"{option} makes no sense with --engine {engine}: {reason}")
    check_installed(engine, row.package)
    return row
