"""A partition that does not arrive as its mapper vouches for it is fetched again."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest

from common.errors import FetchFailedError
from common.events.catalogue.tasks import RpcResponse
from common.model import Attempt, CommittedFile, MapOutput, RecordFormat, Records, Stage
from common.records import encode
from common.store.names import partition_name
from common.worker.service import WorkerContext
from mapper.servicer import Mapper
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import add_MapperServicer_to_server
from reducer.servicer import Reducer
from tests.servers import listening, worker_context
from tests.story import ListLog

ATTEMPT = Attempt(Stage(1, "label"), 0, 1)
RECORDS = Records(np.zeros(100_000, np.int32), np.zeros((100_000, 4)))


class SpoilingMapper(Mapper):
    """A mapper some of whose answers arrive with a flipped bit, or break off."""

    def __init__(self, worker: WorkerContext) -> None:
        super().__init__(worker)
        self.damaged = 0
        """How many answers will be damaged."""
        self.cut = 0
        self.verified: list[bool] = []

    def FetchPartition(  # noqa: N802
        self, request: pb.FetchPartitionRequest, context: grpc.ServicerContext
    ) -> Iterator[pb.FetchPartitionResponse]:
        self.verified.append(request.verify)
        self.damaged, damaged = self.damaged - 1, self.damaged > 0
        self.cut, cut = self.cut - 1, self.cut > 0
        for number, chunk in enumerate(super().FetchPartition(request, context)):
            if number == 2 and cut:
                context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            if number == 2 and damaged:
                chunk = pb.FetchPartitionResponse(data=bytes([chunk.data[0] ^ 1]) + chunk.data[1:])
            yield chunk


@dataclass
class Shuffle:
    """A mapper that serves a partition, and a reducer that fetches it."""

    mapper: SpoilingMapper
    reducer: Reducer
    source: MapOutput
    log: ListLog

    def fetch(self) -> bytes:
        return self.reducer.fetch(Attempt(ATTEMPT.stage, 0, 7), self.source)

    def statuses(self) -> list[str]:
        return [answer.status for answer in self.log.of(RpcResponse)]


@contextmanager
def shuffling(folder: Path) -> Iterator[Shuffle]:
    worker = worker_context(folder / "M1")
    with worker.store.attempt(ATTEMPT, keep_iterations=False) as files:
        file = files.write(partition_name(0), encode(RECORDS, RecordFormat.ARROW))
    mapper = SpoilingMapper(worker)
    log = ListLog()
    with listening() as server:
        add_MapperServicer_to_server(mapper, server.grpc)
        server.start()
        reducer = worker_context(folder / "R1", log=log)
        yield Shuffle(mapper, Reducer(reducer), MapOutput(0, 1, "M1", server.address, file), log)


@pytest.fixture
def shuffle(tmp_path: Path) -> Iterator[Shuffle]:
    with shuffling(tmp_path) as found:
        yield found


def test_a_partition(shuffle: Shuffle) -> None:
    assert len(shuffle.fetch()) == shuffle.source.partition.size_bytes > 1 << 20
    assert shuffle.mapper.verified == [False]
    assert shuffle.statuses() == ["SUCCESS"]


@pytest.mark.parametrize("fault", ["damaged", "cut"])
def test_what_is_damaged_or_cut_on_its_way_is_fetched_again_and_verified(
    shuffle: Shuffle, fault: str
) -> None:
    whole = shuffle.fetch()
    setattr(shuffle.mapper, fault, 2)
    assert shuffle.fetch() == whole
    assert shuffle.mapper.verified == [False, False, True, True]
    assert shuffle.statuses() == ["SUCCESS", "FAILURE", "FAILURE", "SUCCESS"]


def test_the_third_failure_is_the_last(shuffle: Shuffle) -> None:
    shuffle.mapper.damaged = 3
    with pytest.raises(FetchFailedError, match="M1: the file arrived damaged") as caught:
        shuffle.fetch()
    assert (caught.value.task, caught.value.attempt, caught.value.unreachable) == (0, 1, False)
    assert shuffle.statuses() == ["FAILURE"] * 3


def test_what_the_mapper_has_lost_is_not_asked_for_again(shuffle: Shuffle) -> None:
    shuffle.source = MapOutput(0, 2, "M1", shuffle.source.address, shuffle.source.partition)
    with pytest.raises(FetchFailedError, match="is not here") as caught:
        shuffle.fetch()
    assert not caught.value.unreachable
    assert shuffle.statuses() == ["FAILURE"]


def test_a_mapper_that_is_gone(shuffle: Shuffle) -> None:
    shuffle.source = MapOutput(0, 1, "M1", "unix:/nowhere", CommittedFile(1, 1, 1))
    with pytest.raises(FetchFailedError, match="M1: UNAVAILABLE") as caught:
        shuffle.fetch()
    assert caught.value.unreachable
    assert shuffle.statuses() == ["FAILURE"] * 3
