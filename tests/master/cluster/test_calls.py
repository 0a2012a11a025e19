"""The calls to workers, and how the log tells of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from common.errors import FetchFailedError, OutputLostError, TaskError
from common.events.catalogue.tasks import RpcResponse
from common.jobs.centroids import Label
from common.model import CommittedFile, Records, Role
from common.records import checksum
from common.rpc.statuses import DamagedFileError, UnreachableError
from mapper.servicer import Mapper
from master.cluster.calls import MapFiles
from master.scheduling.messages import Output, RunTask, TaskId
from protos import mapreduce_pb2 as pb
from reducer import servicer
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


@pytest.mark.parametrize(("most_bytes", "reads"), [(1 << 18, []), (10, ["ReadReduceOutput"])])
def test_a_map_and_a_reduce_attempt(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, most_bytes: int, reads: list[str]
) -> None:
    """A small output comes with the answer of the reducer; a larger one is read."""
    monkeypatch.setattr(servicer, "CHUNK_BYTES", most_bytes)
    output = mapped(pool, partitions=1)
    assert isinstance(output.content, MapFiles)
    assert [file.records for file in output.content.partitions] == [31]
    command = RunTask(REDUCE, 1, pool.workers[Role.REDUCER], (output,))
    assert len(pool.calls.reduce(command, label_order(partitions=1, splits=1))) == 31
    answers = pool.log.of(RpcResponse)
    assert [answer.method for answer in answers] == ["Map", "Reduce", *reads]
    assert (answers[1].output_bytes is None) == bool(reads)


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


def reduced(pool: Pool, sequence: int = 1) -> Records:
    """Have a job's one reduce task done whose result has keys 0 and 1, and no values."""
    command = RunTask(REDUCE, 1, pool.workers[Role.REDUCER], (mapped(pool, partitions=1),))
    return pool.calls.reduce(command, label_order(partitions=1, splits=1, sequence=sequence))


def forged(data: bytes, records: int, *, with_answer: bool = False) -> Callable[..., Any]:
    """Make a reducer that answers with these bytes, at once or when asked, and vouches for them."""
    file = pb.File(size_bytes=len(data), records=records, crc32=checksum(data))

    def reduce(self: Reducer, request: pb.ReduceRequest, context: Any) -> pb.ReduceResponse:
        return pb.ReduceResponse(output=file, data=data if with_answer else b"")

    def read(self: Reducer, request: Any, context: Any) -> Iterator[pb.ReadReduceOutputResponse]:
        yield pb.ReadReduceOutputResponse(data=data)

    def forge(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Reducer, "Reduce", reduce)
        patch.setattr(Reducer, "ReadReduceOutput", read)

    return forge


@pytest.mark.parametrize("with_answer", [False, True])
@pytest.mark.parametrize(
    ("data", "records", "why"),
    [
        (b"0\n1\n", 3, "2 records and 0 counts"),
        (b"0\n2\n", 2, "it is not the result of that job"),
        (b"0,1.5\n", 1, "it is not the result of that job"),
        (b"0,nan\n", 1, ""),
        (b"x\n", 1, ""),
        (b"-1\n", 1, ""),
        (b"0\n\xff\n", 2, ""),
        (b"99999999999999999999\n", 1, ""),
        (b"0", 1, ""),
    ],
)
def test_what_no_reducer_can_have_found_is_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, records: int, why: str, with_answer: bool
) -> None:
    monkeypatch.setattr(Label, "result_shape", lambda *_: (2, 0))
    forged(data, records, with_answer=with_answer)(monkeypatch)
    with joined_pool(tmp_path) as pool:
        with pytest.raises(TaskError, match=rf"^the reducer's answer makes no sense: .*{why}"):
            reduced(pool)
        assert pool.statuses("Reduce" if with_answer else "ReadReduceOutput") == ["FAILURE"]


def test_an_output_that_arrives_damaged_is_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Reducer.Reduce

    def damaging(*order: Any) -> pb.ReduceResponse:
        answer = honest(*order)
        answer.data = answer.data[:-2] + b"9\n"
        return answer

    monkeypatch.setattr(Reducer, "Reduce", damaging)
    with joined_pool(tmp_path) as pool, pytest.raises(DamagedFileError):
        reduced(pool)


def test_a_key_of_another_partition_is_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forged(b"0\n1\n", 2)(monkeypatch)
    with joined_pool(tmp_path) as pool:
        command = RunTask(REDUCE, 1, pool.workers[Role.REDUCER], (mapped(pool, partitions=2),))
        with pytest.raises(TaskError, match="a key is of another partition"):
            pool.calls.reduce(command, label_order(partitions=2, splits=1))


def test_counts_that_nobody_asked_for_are_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Reducer.Reduce

    def miscounting(*order: Any) -> pb.ReduceResponse:
        answer = honest(*order)
        answer.counts.append(1.0)
        return answer

    monkeypatch.setattr(Reducer, "Reduce", miscounting)
    with joined_pool(tmp_path) as pool, pytest.raises(TaskError, match="31 records and 1 counts"):
        reduced(pool)


@pytest.mark.parametrize("change", [-1, 1])
def test_partitions_that_nobody_asked_for_are_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: int
) -> None:
    honest = Mapper.Map

    def miscounting(*order: Any) -> pb.MapResponse:
        answer = honest(*order)
        files = list(answer.partitions)
        del answer.partitions[:]
        answer.partitions.extend(files[:change] if change < 0 else [*files, files[0]])
        return answer

    monkeypatch.setattr(Mapper, "Map", miscounting)
    with joined_pool(tmp_path) as pool:
        with pytest.raises(TaskError, match=rf"^the mapper answered {2 + change} partitions$"):
            mapped(pool, partitions=2)
        assert pool.statuses("Map") == ["FAILURE"]


@pytest.mark.parametrize("number", [-1, 1 << 60])
def test_impossible_numbers_are_a_failed_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    honest = Mapper.Map

    def boasting(*order: Any) -> pb.MapResponse:
        answer = honest(*order)
        answer.partitions[0].records = number
        return answer

    monkeypatch.setattr(Mapper, "Map", boasting)
    with (
        joined_pool(tmp_path) as pool,
        pytest.raises(TaskError, match=f"^records is {number}, not"),
    ):
        mapped(pool, partitions=2)
