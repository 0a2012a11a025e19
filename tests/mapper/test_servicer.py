"""The Mapper service: orders in, files out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import BadRequestError, InjectedFailureError, InputError, OutputLostError
from common.formats.dataset import open_input, plan_splits
from common.jobs.base import Job
from common.jobs.candidates import SampleRows
from common.jobs.centroids import FarthestRows, Label, Score
from common.jobs.lloyd import LloydStep
from common.jobs.rows import Describe
from common.jobs.wordcount import WordCount
from common.kernels.exact import SumGrid
from common.model import Attempt, Dialect, Input, InputFormat, Stage, State, TaskOptions
from common.rpc.job_messages import pack_job
from common.rpc.messages import pack
from mapper.servicer import Mapper, check_job
from protos import mapreduce_pb2 as pb
from tests.programs import SAMPLE
from tests.servers import worker_context
from tests.story import ListLog

NO_CONTEXT: Any = None
ATTEMPT = pack(Attempt(Stage(1, "label"), 0, 1))
SOURCE = Input("/x", InputFormat.NPY, Dialect(), 2, (0, 1), 9, 9, 9)
GRID = SumGrid(top=(1, 1), bits=40, limbs=2)


@pytest.fixture
def log() -> ListLog:
    return ListLog()


@pytest.fixture
def mapper(tmp_path: Path, log: ListLog) -> Mapper:
    return Mapper(worker_context(tmp_path, log=log))


def order(columns: int = 2, path: str = "", **options: Any) -> pb.MapRequest:
    file = open_input(str(SAMPLE))
    request = pb.MapRequest(
        attempt=ATTEMPT,
        job=pack_job(Label(), {"centroids": np.zeros((2, columns))}),
        input=pack(file.input),
        split=pack(plan_splits(file, 1)[0]),
        partitions=2,
        options=pack(TaskOptions(**options)),
    )
    request.input.path = path or request.input.path
    return request


def test_an_order_is_carried_out_and_its_files_are_served(mapper: Mapper, log: ListLog) -> None:
    answer = mapper.Map(order(), NO_CONTEXT)
    assert answer.map_output.records == 31
    assert [event.name for event in log.events] == ["map_started", "map_finished"]
    for index, file in enumerate(answer.partitions):
        request = pb.FetchPartitionRequest(attempt=ATTEMPT, partition=index)
        size = sum(len(chunk.data) for chunk in mapper.FetchPartition(request, NO_CONTEXT))
        assert size == file.size_bytes
    whole = b"".join(
        c.data for c in mapper.ReadMapOutput(pb.ReadMapOutputRequest(attempt=ATTEMPT), NO_CONTEXT)
    )
    assert len(whole) == answer.map_output.size_bytes
    rest = mapper.ReadMapOutput(pb.ReadMapOutputRequest(attempt=ATTEMPT, offset=9), NO_CONTEXT)
    assert b"".join(chunk.data for chunk in rest) == whole[9:]


def test_an_order_that_comes_twice_is_carried_out_once(mapper: Mapper, log: ListLog) -> None:
    assert mapper.Map(order(), NO_CONTEXT) is mapper.Map(order(), NO_CONTEXT)
    assert [event.name for event in log.events] == ["map_started", "map_finished"]


def test_a_failure_that_was_asked_for(mapper: Mapper) -> None:
    with pytest.raises(InjectedFailureError):
        mapper.Map(order(fail_rate=1.0), NO_CONTEXT)


def test_centroids_of_another_width_are_refused(mapper: Mapper) -> None:
    with pytest.raises(BadRequestError, match="the centroids have 3 columns, the input 2"):
        mapper.Map(order(columns=3), NO_CONTEXT)


def test_an_input_that_is_not_there(mapper: Mapper) -> None:
    with pytest.raises(InputError):
        mapper.Map(order(path="/nowhere/points.txt"), NO_CONTEXT)


def test_a_file_that_was_not_made(mapper: Mapper) -> None:
    with pytest.raises(OutputLostError):
        list(mapper.FetchPartition(pb.FetchPartitionRequest(attempt=ATTEMPT), NO_CONTEXT))


def with_columns(columns: int) -> Input:
    return replace(SOURCE, fields=columns, columns=tuple(range(columns)))


@pytest.mark.parametrize("shape", [(2,), (0, 2), (1, 1, 1, 0), (2, 0)])
@pytest.mark.parametrize("job", [Label(), LloydStep(GRID), FarthestRows(1), SampleRows(1, 1, 1.0)])
def test_refuses_centroids_of_another_shape(job: Job, shape: tuple[int, ...]) -> None:
    with pytest.raises(BadRequestError):
        check_job(job, {"centroids": np.ones(shape)}, SOURCE)


@pytest.mark.parametrize(
    "state",
    [{}, {"centroids": np.ones((1, 2), np.int64)}, {"centroids": np.full((1, 2), -1e200)}],
    ids=["none", "integers", "large"],
)
def test_refuses_what_are_no_centroids(state: State) -> None:
    with pytest.raises(BadRequestError, match=r"^job 'label': "):
        check_job(Label(), state, SOURCE)


def test_refuses_centroids_and_grids_of_another_width() -> None:
    state = {"centroids": np.zeros((3, 2))}
    check_job(LloydStep(GRID), state, SOURCE)
    check_job(Score(SumGrid(top=(1,), bits=40, limbs=2)), state, SOURCE)
    wrong: list[tuple[Job, int]] = [(LloydStep(GRID), 3), (Score(GRID), 2), (Label(), 3)]
    for job, columns in wrong:
        with pytest.raises(BadRequestError):
            check_job(job, state, with_columns(columns))


def test_refuses_lines_for_numbers_and_numbers_for_lines() -> None:
    lines = replace(with_columns(1), format=InputFormat.LINES)
    check_job(WordCount(), {}, lines)
    for job, source in ((WordCount(), SOURCE), (Describe(), lines)):
        with pytest.raises(BadRequestError, match="cannot read an input in format"):
            check_job(job, {}, source)
