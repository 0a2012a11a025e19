"""What happens to workers."""

from common.events.catalogue.base import Event


class StartingWorkers(Event):
    """The master begins to start the worker processes of this machine."""

    mappers: int
    reducers: int


class AwaitingWorkers(Event):
    """The master waits for workers that other people start."""

    address: str
    mappers: int
    reducers: int


class Listening(Event):
    """More workers may join the master's own."""

    address: str


class WorkerStarted(Event):
    """The master has started a worker process."""

    worker: str
    pid: int
    incarnation: int


class WorkerJoined(Event):
    """A worker is ready and serves at an address."""

    worker: str
    address: str


class WorkerUsage(Event):
    """What a worker process has used since it started: every 2 s while it works, else every 10 s, at its end.

    Of the resident memory the anonymous part is no file's. Bytes read are those from files, without what is
    mapped into memory; bytes sent answer calls; bytes received are orders and fetched partitions. 0 stands
    for what the worker's system does not tell.
    """

    worker: str
    cpu_s: float
    resident_bytes: int
    anonymous_bytes: int
    read_bytes: int
    sent_bytes: int
    received_bytes: int


class WorkerSilent(Event):
    """A worker's heartbeats are late; it gets no new tasks."""

    worker: str


class WorkerSuspected(Event):
    """A worker did not answer a call; it gets no new tasks."""

    worker: str


class WorkerHeard(Event):
    """A worker that was silent or suspected sent a heartbeat."""

    worker: str


class WorkerKilled(Event):
    """The master kills a worker process that is dead or hangs."""

    worker: str
    reason: str


class WorkerLost(Event):
    """A worker is gone."""

    worker: str
    pid: int | None = None
    reason: str
    returns: bool


class WorkerSaid(Event):
    """A worker process wrote this line to standard error before it ended."""

    worker: str
    text: str


class Cluster(Event):
    """The master is connected to a Spark or Dask cluster."""

    engine: str
    at: str
    ui: str


class WorkerCame(Event):
    """Dask has a worker that was not there in the stage before."""

    worker: str


class WorkerLeft(Event):
    """Dask has lost a worker that was there in the stage before."""

    worker: str
    status: str
