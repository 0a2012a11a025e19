"""Start the engine on Spark: on the context that there is, or on one of its own."""

from contextlib import ExitStack

from common.errors import UsageError
from common.events.catalogue.workers import Cluster
from common.formats.base import InputFile
from common.jobs.engine import Engine
from master.engines.base import EngineRequest, open_file
from master.engines.spark.connect import connect
from master.engines.spark.engine import SparkEngine
from master.engines.spark.rows import SparkRows, SplitRows
from master.engines.spark.uri import UriFile, check_address, open_uri
from master.options.config import RunConfig


def open_input(config: RunConfig, stack: ExitStack) -> InputFile:
    """Open a file of this machine; or connect, and have Spark read an address."""
    if not config.input.is_address:
        return open_file(config, stack)
    if config.input.reads_lines:
        raise UsageError(f"--input {config.input.input}: lines of text are read from files, not addresses")
    check_address(config.input.input)
    context = stack.enter_context(connect(config.cluster.spark_master, config.cluster.spark_settings))
    return open_uri(context, config.input, config.workers.mappers)


def start_engine(request: EngineRequest) -> Engine:
    """Connect, unless that was needed to open the input, and have each executor read its splits."""
    workers, cluster, file = request.config.workers, request.config.cluster, request.file
    rows: SparkRows
    if isinstance(file, UriFile):
        context, rows = file.context, file.stored
    else:
        context = request.stack.enter_context(connect(cluster.spark_master, cluster.spark_settings))
        rows = SplitRows(context, file, workers.mappers)
    ui = f"UI {context.uiWebUrl}"
    request.log.event(Cluster(engine=f"Spark {context.version}", at=context.master, ui=ui))
    engine = SparkEngine(context, rows, request.tasks, workers.reducers, request.log)
    return request.stack.enter_context(engine)
