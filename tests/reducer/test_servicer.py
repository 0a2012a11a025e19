"""The Reducer service: orders in, output out."""

from pathlib import Path
from typing import Any

import pytest

from common.errors import FetchFailedError, InjectedFailureError
from common.jobs.centroids import Label
from common.model import Attempt, CommittedFile, MapOutput, Stage, TaskOptions
from common.rpc.job_messages import pack_job
from common.rpc.messages import pack
from protos import mapreduce_pb2 as pb
from reducer.servicer import Reducer
from tests.servers import worker_context
from tests.story import ListLog

NO_CONTEXT: Any = None
ATTEMPT = pack(Attempt(Stage(1, "label"), 0, 1))


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def reducer(tmp_path: Path, log: ListLog) -> Reducer:
    return Reducer(worker_context(tmp_path, log=log))


def order(*sources: MapOutput, **options: Any) -> pb.ReduceRequest:
    return pb.ReduceRequest(
        attempt=ATTEMPT,
        job=pack_job(Label(), {}),
        sources=[pack(source) for source in sources],
        options=pack(TaskOptions(**options)),
    )


def test_an_order_is_carried_out_once_and_its_output_is_served(reducer: Reducer, log: ListLog) -> None:
    answer = reducer.Reduce(order(), NO_CONTEXT)
    assert reducer.Reduce(order(), NO_CONTEXT) is answer
    assert [event.name for event in log.events] == ["reduce_started", "reduce_finished"]
    chunks = reducer.ReadReduceOutput(pb.ReadReduceOutputRequest(attempt=ATTEMPT), NO_CONTEXT)
    assert sum(len(chunk.data) for chunk in chunks) == answer.output.size_bytes


def test_a_failure_that_was_asked_for(reducer: Reducer) -> None:
    with pytest.raises(InjectedFailureError):
        reducer.Reduce(order(fail_rate=1.0), NO_CONTEXT)


def test_a_mapper_that_is_gone_fails_the_order(reducer: Reducer) -> None:
    source = MapOutput(3, 2, "M4", "unix:/nowhere", CommittedFile(1, 1, 1))
    with pytest.raises(FetchFailedError) as caught:
        reducer.Reduce(order(source), NO_CONTEXT)
    assert (caught.value.task, caught.value.attempt, caught.value.unreachable) == (3, 2, True)
