"""The engine that the command line asks for, on a cluster of its own or on one that is there."""

from contextlib import ExitStack
from importlib.util import find_spec

from common.events.catalogue.workers import Cluster
from common.events.log import Log
from common.formats.dataset import InputFile
from common.jobs.engine import Engine
from master.engines.dask.connect import connect
from master.engines.dask.engine import DaskEngine, Parts
from master.options.groups import RunConfig


def start_engine(config: RunConfig, file: InputFile, log: Log, stack: ExitStack) -> Engine:
    """Start the engine that the command line asks for; `stack` ends it, and a cluster of its own."""
    client = stack.enter_context(connect(config.cluster.dask_scheduler, config.mappers))
    from distributed import __version__

    dashboard = f"dashboard {client.dashboard_link}"
    if find_spec("bokeh") is None:
        dashboard += " (once bokeh is installed where the scheduler runs: pip install bokeh)"
    log.event(Cluster(engine=f"Dask {__version__}", at=client.scheduler.address, ui=dashboard))
    engine = DaskEngine(client, Parts.of_file(file, config.mappers), config.tasks, config.reducers, log)
    return stack.enter_context(engine)
