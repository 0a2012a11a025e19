"""An engine of a test: all that a new engine needs besides its row."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from common.events.catalogue.workers import Cluster
from common.jobs.base import Engine, Job
from common.model import Buffer, FloatArray, Key, State
from master.engines.inline import InlineEngine
from master.engines.table import EngineRequest


class ThreadsEngine:
    """Runs each job in a thread of its own."""

    def __init__(self, engine: Engine, pool: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._pool = pool

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        return self._pool.submit(self._engine.map_reduce, job, state, iteration).result()

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        yield from self._pool.submit(lambda: list(self._engine.map_only(job, state))).result()


def start_engine(request: EngineRequest) -> Engine:
    """Start a pool that ends with the run."""
    pool = request.stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="engine-of-a-test"))
    request.log.event(Cluster(engine="threads", at="here", ui="none"))
    inline = InlineEngine(request.file, combine=request.tasks.combine, threads=request.tasks.threads)
    return ThreadsEngine(inline, pool)
