"""Mapper and reducer processes, driven over gRPC: the default engine."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Self

from common.dataset import InputFile, plan_splits
from common.dump import Dump
from common.errors import RunFailedError, TaskError
from common.events import Log
from common.jobs.base import Job
from common.kernels.grouping import groups, sort_by_key
from common.model import FloatArray, Records, Role, Split, Stage, State, TaskOptions
from common.records import decode
from common.records.base import Buffer
from common.store import DataDir
from master.cluster import Cluster
from master.dispatcher import Dispatcher, MapFiles, StageOrder
from master.processes import WorkerProcess
from master.scheduler import MAX_FAILURES, Output


class GrpcEngine:
    """A cluster of processes on this machine; a context manager that ends them.

    Parameters
    ----------
    file
        The input; cut in one split a mapper.
    processes
        The workers, started by `start_workers`.
    options
        Sent along with each task.
    data_dir
        Where the workers' folders are; held and emptied by the caller.
    dump, log
        For the workers' lines, and for the master's events.
    """

    def __init__(
        self,
        file: InputFile,
        processes: Sequence[WorkerProcess],
        options: TaskOptions,
        data_dir: DataDir,
        dump: Dump,
        log: Log,
    ) -> None:
        self._input = file.input
        roles = [process.role for process in processes]
        self._splits = plan_splits(file, roles.count(Role.MAPPER))
        self._partitions = roles.count(Role.REDUCER)
        self._sequence = 0
        self._intermediate = options.intermediate
        self._dispatcher = Dispatcher(options, len(processes), log)
        self._cluster = Cluster(processes, data_dir, dump, log, self._dispatcher.notify)
        self._workers = len(processes)

    def __enter__(self) -> Self:
        """Start the workers and wait until each has joined."""
        try:
            self._cluster.start()
            self._dispatcher.await_workers(self._workers)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self._dispatcher.close()
        self._cluster.close()

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[int, FloatArray]:
        """Run a job; see `Engine`."""
        order = self._order(job, state, self._splits, self._partitions, iteration)
        outputs = self._dispatcher.run(order, self._cluster)
        records = Records.concatenate(
            [part for output in outputs for part in decode(_bytes_of(output), self._intermediate)]
        )
        return dict(groups(sort_by_key(records)))

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One chunk at a time is in memory."""
        order = self._order(job, state, self._splits, 0, None)
        outputs = self._dispatcher.run(order, self._cluster)
        for split, output in zip(self._splits, outputs, strict=True):
            yield from self._stream(order, split, output)

    def _order(
        self, job: Job, state: State, splits: Sequence[Split], partitions: int, iteration: int | None
    ) -> StageOrder:
        self._sequence += 1
        stage = Stage(self._sequence, job.name, iteration)
        return StageOrder(stage, job, state, self._input, splits, partitions)

    def _stream(self, order: StageOrder, split: Split, output: Output) -> Iterator[bytes]:
        """Stream one map output; if it gets lost, make it again and go on where it broke off."""
        offset, crc32 = 0, 0
        for _ in range(MAX_FAILURES):
            try:
                for chunk in self._dispatcher.read_map_output(order, output, self._cluster, offset):
                    offset += len(chunk)
                    crc32 = zlib.crc32(chunk, crc32)
                    yield chunk
            except TaskError:
                order = self._order(order.job, order.state, [split], 0, None)
                (output,) = self._dispatcher.run(order, self._cluster)
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
