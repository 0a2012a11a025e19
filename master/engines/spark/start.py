"""The engine that the command line asks for, on a Spark context of its own."""

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from common.events.catalogue.workers import Cluster
from common.events.log import Log
from common.formats.dataset import InputFile
from common.jobs.engine import Engine
from master.engines.spark.connect import connect
from master.engines.spark.engine import SparkEngine
from master.engines.spark.rows import SparkRows, SplitRows
from master.engines.spark.uri import UriFile
from master.options.groups import RunConfig

if TYPE_CHECKING:
    from pyspark import SparkContext


def start_engine(config: RunConfig, file: InputFile, log: Log, stack: ExitStack) -> Engine:
    """Start the engine that the command line asks for, on a context of its own; `stack` ends both."""
    context = connect(config.cluster.spark_master, config.cluster.settings)
    stack.callback(_stop, context)
    log.event(Cluster(engine=f"Spark {context.version}", at=context.master, ui=f"UI {context.uiWebUrl}"))
    rows: SparkRows = file.stored if isinstance(file, UriFile) else SplitRows(context, file, config.mappers)
    engine = SparkEngine(context, rows, config.tasks, config.reducers, log)
    return stack.enter_context(engine)


def _stop(context: "SparkContext") -> None:
    with suppress(Exception):  # it may be gone
        context.stop()
