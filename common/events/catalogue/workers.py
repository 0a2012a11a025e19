"""What happens to workers."""

from dataclasses import dataclass

from common.events.catalogue.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitingWorkers(Event):
    """The master waits for workers that other people start."""

    address: str
    mappers: int
    reducers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening(Event):
    """More workers may join the master's own."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted(Event):
    """The master has started a worker process."""

    worker: str
    pid: int
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerJoined(Event):
    """A worker is ready and serves at an address."""

    worker: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSilent(Event):
    """A worker's heartbeats are late; it gets no new tasks."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSuspected(Event):
    """A worker did not answer a call; it gets no new tasks."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHeard(Event):
    """A worker that was silent or suspected sent a heartbeat."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerKilled(Event):
    """The master kills a worker process that is dead or hangs."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost(Event):
    """A worker is gone."""

    worker: str
    pid: int | None = None
    reason: str
    returns: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSaid(Event):
    """A worker process wrote this line to standard error before it ended."""

    worker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster(Event):
    """The master is connected to a Spark or Dask cluster."""

    engine: str
    at: str
    ui: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCame(Event):
    """Dask has a worker that was not there in the stage before."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLeft(Event):
    """Dask has lost a worker that was there in the stage before."""

    worker: str
    status: str
