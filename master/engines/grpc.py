"""Mapper and reducer processes, driven over gRPC: the default engine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from common.errors import RunFailedError, TaskError, UsageError
from common.events.catalogue.run import InternalError
from common.events.catalogue.workers import AwaitingWorkers, Listening
from common.events.log import RunLog
from common.formats.dataset import InputFile, plan_splits
from common.formats.unchanged import content_digest
from common.jobs.base import Job
from common.kernels.grouping import groups, sort_by_key
from common.model import Buffer, FloatArray, Input, Key, Records, Split, Stage, State, TaskOptions
from common.records import checksum, decode
from common.rpc.address import LOOPBACK
from common.rpc.channels import Server
from common.rpc.credentials import Credentials
from master.cluster.dispatcher import Dispatcher, MapFiles, StageOrder
from master.cluster.processes import WorkerProcess
from master.cluster.supervisor import Cluster
from master.scheduling.messages import Output
from master.scheduling.task import MAX_FAILURES

PATIENCE_S = 60.0
"""How long a run whose workers come from elsewhere goes on without any of a role."""


@dataclass(frozen=True)
class Crew:
    """Who does the work.

    Parameters
    ----------
    mappers, reducers
        How many there are to be when the work begins.
    splits
        Pieces of the input, each a map task; 0: one a mapper.
    credentials
        What they prove themselves with; None: a fresh secret.
    listen
        ADDRESS:PORT where they join; None: on this machine alone.
    data_root
        Below which every host has the input, if workers may join from others.
    """

    mappers: int
    reducers: int
    splits: int = 0
    credentials: Credentials | None = None
    listen: str | None = None
    data_root: Path | None = None


class GrpcEngine:
    """A cluster of processes; a context manager that ends them.

    Parameters
    ----------
    file
        The input.
    processes
        Workers that `start_workers` started on this machine.
    crew
        How many workers there are to be in all, and where they come from.
    options
        Sent along with each task.
    log
        Gets the workers' lines, and the master's events.
    """

    def __init__(
        self,
        file: InputFile,
        processes: Sequence[WorkerProcess],
        crew: Crew,
        options: TaskOptions,
        log: RunLog,
    ) -> None:
        self._crew = crew
        self._starts_none = not processes
        self._log = log
        self._input = _as_sent(file.input, crew)
        self._splits = plan_splits(file, crew.splits or crew.mappers)
        self._sequence = 0
        self._intermediate = options.intermediate
        self._dispatcher = Dispatcher(options, PATIENCE_S if crew.listen else 0.0, log)
        credentials = crew.credentials or Credentials.fresh()
        self._server = Server(credentials, self._log_internal_error, crew.listen or f"{LOOPBACK}:0")
        self._cluster = Cluster(processes, self._server, credentials, log, self._dispatcher.notify)
        self._members = self._cluster.members

    def __enter__(self) -> Self:
        """Start the workers and wait until each has joined."""
        crew = self._crew
        try:
            self._cluster.start()
            if crew.listen and self._starts_none:
                expected = {"mappers": crew.mappers, "reducers": crew.reducers}
                self._log.event(AwaitingWorkers(address=self._server.address, **expected))
            elif crew.listen:
                self._log.event(Listening(address=self._server.address))
            self._dispatcher.await_workers(crew.mappers, crew.reducers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self._dispatcher.close()
        self._cluster.close()

    def _log_internal_error(self, number: str, error: BaseException) -> None:
        self._log.event(InternalError(id=number, error=repr(error)))

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`."""
        order = self._order(job, state, self._splits, self._crew.reducers, iteration)
        outputs = self._dispatcher.run(order, self._members)
        files = [decode(_bytes_of(output), self._intermediate, job.key_type) for output in outputs]
        records = Records.concatenate([part for parts in files for part in parts])
        return dict(groups(sort_by_key(records)))

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One chunk at a time is in memory."""
        order = self._order(job, state, self._splits, 0, None)
        outputs = self._dispatcher.run(order, self._members)
        for split, output in zip(self._splits, outputs, strict=True):
            yield from self._stream(order, split, output)

    def _order(
        self, job: Job, state: State, splits: Sequence[Split], partitions: int, iteration: int | None
    ) -> StageOrder:
        self._sequence += 1
        stage = Stage(self._sequence, job.name, iteration, self._cluster.epoch)
        return StageOrder(stage, job, state, self._input, splits, partitions)

    def _stream(self, order: StageOrder, split: Split, output: Output) -> Iterator[bytes]:
        """Stream one map output; if it gets lost, make it again and go on where it broke off."""
        offset, crc32 = 0, 0
        for _ in range(MAX_FAILURES):
            try:
                for chunk in self._dispatcher.read_map_output(order, output, self._members, offset):
                    offset += len(chunk)
                    crc32 = checksum(chunk, crc32)
                    yield chunk
            except TaskError:
                order = self._order(order.job, order.state, [split], 0, None)
                (output,) = self._dispatcher.run(order, self._members)
                continue
            assert isinstance(output.content, MapFiles)
            file = output.content.map_output
            if (offset, crc32) != (file.size_bytes, file.crc32):
                raise RunFailedError(f"the map output of task {split.index + 1} arrived damaged")
            return
        raise RunFailedError(f"the map output of task {split.index + 1} was lost {MAX_FAILURES} times")


def _bytes_of(output: Output) -> bytes:
    assert isinstance(output.content, bytes)
    return output.content


def _as_sent(source: Input, crew: Crew) -> Input:
    """Describe the input so that every host finds its own copy."""
    if crew.data_root is None:
        return source
    root = crew.data_root.resolve()
    real = Path(source.path).resolve()
    if not real.is_relative_to(root):
        raise UsageError(f"--input {source.path} is not below --data-root {crew.data_root}")
    return replace(source, path=str(real.relative_to(root)), digest=content_digest(real))
