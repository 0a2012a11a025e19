"""Runs jobs on mapper and reducer processes over gRPC."""

import itertools
import queue
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from common.errors import RunFailedError, TaskError, UsageError
from common.events.catalogue.workers import AwaitingWorkers, Listening
from common.formats.dataset import plan_splits
from common.formats.unchanged import content_digest
from common.jobs.base import Job
from common.kernels.grouping import groups, sort_by_key
from common.model import Buffer, FloatArray, Input, Key, Records, Split, Stage, State
from common.records import checksum
from common.rpc.credentials import Certificates
from master.cluster.calls import MapFiles, StageOrder, WorkerCalls
from master.cluster.dispatcher import Arrival, Dispatcher, Inbox
from master.cluster.processes import WorkerProcess
from master.cluster.supervisor import Cluster
from master.engines.table import EngineRequest
from master.options.groups import HostOptions
from master.scheduling.messages import Output
from master.scheduling.task import MAX_FAILURES

PATIENCE_S = 60.0
"""How long a run whose workers come from elsewhere goes on without any of a role."""


class GrpcEngine:
    """A cluster of processes.

    `processes` are workers that were started on this machine. The master serves at `listen`, which is a
    socket's address if there are no `certificates`.
    """

    def __init__(
        self,
        request: EngineRequest,
        processes: Sequence[WorkerProcess],
        certificates: Certificates | None,
        listen: str,
    ) -> None:
        workers, hosts, log = request.config.workers, request.config.hosts, request.log
        self._request = request
        self._splits = plan_splits(request.file, workers.splits or workers.mappers)
        sources = [request.file.source_of(split) for split in self._splits]
        sent = {source: _as_sent(source, hosts) for source in dict.fromkeys(sources)}
        self._sources = [sent[source] for source in sources]
        self._sequence = itertools.count(1)
        inbox: Inbox = queue.SimpleQueue()
        self._cluster = Cluster(
            *(processes, certificates, listen, log),
            notify=lambda news: inbox.put(Arrival(news)),
            takes_strangers=hosts.takes_strangers,
        )
        membership = self._cluster.membership
        self._calls = WorkerCalls(membership, request.tasks, log)
        patience_s = PATIENCE_S if hosts.takes_strangers else 0.0
        self._dispatcher = Dispatcher(inbox, membership, self._calls, patience_s, log)

    def start(self) -> None:
        """Let the workers join, and wait until each has; `close` ends them in any case."""
        config, log, address = self._request.config, self._request.log, self._cluster.address
        mappers, reducers = config.workers.mappers, config.workers.reducers
        self._cluster.start()
        if config.hosts.workers == "remote":
            log.event(AwaitingWorkers(address=address, mappers=mappers, reducers=reducers))
        elif config.hosts.takes_strangers:
            log.event(Listening(address=address))
        self._dispatcher.await_workers(mappers, reducers)

    def close(self) -> None:
        """End the workers."""
        self._dispatcher.close()
        self._cluster.close()

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`."""
        stage, partitions = self._next_stage(job, iteration), self._request.config.workers.reducers
        outputs = self._dispatcher.run(StageOrder(stage, job, state, self._sources, self._splits, partitions))
        records = Records.concatenate([cast(Records, output.content) for output in outputs])
        return dict(groups(sort_by_key(records)))

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One chunk at a time is in memory."""
        order = StageOrder(self._next_stage(job), job, state, self._sources, self._splits, 0)
        outputs = self._dispatcher.run(order)
        for split, output in zip(self._splits, outputs, strict=True):
            yield from self._stream(order, split, output)

    def _next_stage(self, job: Job, iteration: int | None = None) -> Stage:
        return Stage(next(self._sequence), job.name, iteration, self._cluster.membership.epoch)

    def _stream(self, order: StageOrder, split: Split, output: Output) -> Iterator[bytes]:
        """Stream one map output; if it gets lost, make it again and go on where it broke off."""
        offset, crc32 = 0, 0
        for _ in range(MAX_FAILURES):
            try:
                for chunk in self._calls.read_map_output(output, order.stage, offset):
                    offset += len(chunk)
                    crc32 = checksum(chunk, crc32)
                    yield chunk
            except TaskError:
                order = replace(order, stage=self._next_stage(order.job), splits=[split])
                (output,) = self._dispatcher.run(order)
                continue
            file = cast(MapFiles, output.content).map_output
            if (offset, crc32) != (file.size_bytes, file.crc32):
                raise RunFailedError(f"the map output of task {split.index + 1} arrived damaged")
            return
        raise RunFailedError(f"the map output of task {split.index + 1} was lost {MAX_FAILURES} times")


def _as_sent(source: Input, hosts: HostOptions) -> Input:
    """Describe the input so that every host finds its own copy."""
    try:
        source.path.encode()
    except UnicodeEncodeError:
        raise UsageError(
            f"--input {source.path}: its name is not UTF-8; rename it, or use --engine inline"
        ) from None
    if hosts.certs is None:
        return source
    root = hosts.data_root.resolve()
    real = Path(source.path).resolve()
    if not real.is_relative_to(root):
        raise UsageError(f"--input {source.path} is not below --data-root {hosts.data_root}")
    return replace(source, path=str(real.relative_to(root)), digest=content_digest(real))
