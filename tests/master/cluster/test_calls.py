"""The calls to workers, and how the log tells of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import FetchFailedError, OutputLostError, TaskError
from common.events.catalogue.tasks import RpcResponse
from common.model import CommittedFile, Role
from common.rpc.statuses import UnreachableError
from master.cluster.calls import MapFiles
from master.scheduling.messages import Output, RunTask, TaskId
from protos import mapreduce_pb2 as pb
from reducer.servicer import Reducer
from tests.master.cluster.pool import Pool, joined_pool, label_order

MAP, REDUCE = TaskId(Role.MAPPER, 0), TaskId(Role.REDUCER, 0)


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    with joined_pool(tmp_path) as found:
        yield found


def mapped(pool: Pool, partitions: int) -> Output:
    worker = pool.workers[Role.MAPPER]
    return Output(MAP, 1, worker, pool.calls.map(RunTask(MAP, 1, worker), label_order(partitions, splits=1)))


def test_a_map_and_a_reduce_attempt(pool: Pool) -> None:
    output = mapped(pool, partitions=1)
    assert isinstance(output.content, MapFiles)
    assert [file.records for file in output.content.partitions] == [31]
    command = RunTask(REDUCE, 1, pool.workers[Role.REDUCER], (output,))
    assert pool.calls.reduce(command, label_order(partitions=1, splits=1)).data
    methods = [answer.method for answer in pool.log.of(RpcResponse)]
    assert methods == ["Map", "Reduce", "ReadReduceOutput"]


def test_a_map_output_is_streamed_from_an_offset_on(pool: Pool) -> None:
    output, stage = mapped(pool, partitions=0), label_order().stage
    whole = b"".join(pool.calls.read_map_output(output, stage, 0))
    assert whole.count(b"\n") == 31
    assert b"".join(pool.calls.read_map_output(output, stage, 5)) == whole[5:]


def test_a_map_output_that_is_lost_is_a_failure_in_the_log(pool: Pool) -> None:
    output = Output(MAP, 9, pool.workers[Role.MAPPER], None)
    with pytest.raises(OutputLostError):
        list(pool.calls.read_map_output(output, label_order().stage, 0))
    assert pool.statuses("ReadMapOutput") == ["FAILURE"]


def test_a_worker_that_is_lost_is_not_called(pool: Pool) -> None:
    worker = pool.workers[Role.MAPPER]
    pool.membership.lose(worker, "gone", returns=False)
    with pytest.raises(UnreachableError, match=r"^M1 is lost$"):
        pool.calls.map(RunTask(MAP, 1, worker), label_order())
    assert pool.statuses("Map") == []


def test_a_partition_whose_mapper_is_lost_is_lost_too(pool: Pool) -> None:
    worker = pool.workers[Role.MAPPER]
    pool.membership.lose(worker, "gone", returns=False)
    file = CommittedFile(1, 1, 1)
    command = RunTask(
        REDUCE, 1, pool.workers[Role.REDUCER], (Output(MAP, 4, worker, MapFiles(file, [file])),)
    )
    with pytest.raises(FetchFailedError) as caught:
        pool.calls.reduce(command, label_order(partitions=1))
    assert (caught.value.task, caught.value.attempt, caught.value.unreachable) == (0, 4, True)


def test_as_the_master_ends_no_answer_is_logged(pool: Pool) -> None:
    pool.calls.close()
    mapped(pool, partitions=1)
    assert pool.statuses("Map") == []


def test_counts_that_do_not_fit_the_records_are_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Reducer.Reduce

    def miscounting(*order: Any) -> pb.ReduceResponse:
        answer = honest(*order)
        answer.counts.append(1.0)
        return answer

    monkeypatch.setattr(Reducer, "Reduce", miscounting)
    with joined_pool(tmp_path) as pool:
        command = RunTask(REDUCE, 1, pool.workers[Role.REDUCER], (mapped(pool, partitions=1),))
        with pytest.raises(TaskError, match=r"^the reducer answered 1 counts instead of 0$"):
            pool.calls.reduce(command, label_order(partitions=1, splits=1))
        assert pool.statuses("Reduce") == ["FAILURE"]
