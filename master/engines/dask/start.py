"""Start the engine on Dask: on the cluster that there is, or on one of its own."""

from importlib.util import find_spec

from common.events.catalogue.workers import Cluster
from common.jobs.engine import Engine
from master.engines.base import EngineRequest
from master.engines.dask.connect import connect
from master.engines.dask.engine import DaskEngine, Parts


def start_engine(request: EngineRequest) -> Engine:
    """Connect, and have each worker read its splits."""
    workers = request.config.workers
    client = request.stack.enter_context(connect(request.config.cluster.dask_scheduler, workers.mappers))
    from distributed import __version__

    dashboard = f"dashboard {client.dashboard_link}"
    if find_spec("bokeh") is None:
        dashboard += " (once bokeh is installed where the scheduler runs: pip install bokeh)"
    request.log.event(Cluster(engine=f"Dask {__version__}", at=client.scheduler.address, ui=dashboard))
    rows = Parts.of_file(request.file, workers.mappers)
    engine = DaskEngine(client, rows, request.tasks, workers.reducers, request.log)
    return request.stack.enter_context(engine)
