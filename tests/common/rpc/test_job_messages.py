"""Jobs and their state as messages: every pack is undone by its unpack, and nonsense is refused."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from common.errors import BadRequestError
from common.jobs import JOBS
from common.jobs.base import Job
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import FarthestRows, Label, Score, Spread
from common.jobs.lloyd import LloydStep
from common.jobs.measures import Dispersion, Means, Silhouette
from common.jobs.rows import Describe, FirstDistinctRows, SquaredDeviationsOfRows, TakeRows
from common.jobs.weighted import (
    DrawByWeight,
    WeightedCandidates,
    WeightedDescribe,
    WeightedDeviations,
    WeightedDistinct,
    WeightedFarthest,
    WeightedLabel,
    WeightedLloydStep,
    WeightedSample,
    WeightedScore,
    WeightedSpread,
)
from common.jobs.weighted_measures import WeightedDispersion, WeightedMeans, WeightedSilhouette
from common.jobs.wordcount import WordCount
from common.kernels.exact import SumGrid
from common.rpc import job_messages as wire
from protos import mapreduce_pb2 as pb
from tests.common.jobs.table_cases import JOBS_OF_TABLES
from tests.common.rpc.wire import sent

_MEASURING_WEIGHTED = WeightedScore, WeightedCandidates, WeightedSpread
_ADDING_WEIGHTED = (
    WeightedLloydStep,
    WeightedMeans,
    WeightedDeviations,
    WeightedDispersion,
    WeightedSilhouette,
)
INSTANCES: list[Job] = [
    Describe(),
    FirstDistinctRows(limit=7),
    TakeRows(),
    LloydStep(grid=SumGrid(top=(3, -7), bits=40, limbs=5)),
    Score(grid=SumGrid(top=(1001,), bits=48, limbs=2)),
    Spread(grid=SumGrid(top=(1001,), bits=48, limbs=2)),
    FarthestRows(limit=2**40),
    SampleRows(seed=2**63 - 1, round=4, oversampling=0.1),
    WeighCandidates(grid=SumGrid(top=(1001,), bits=48, limbs=2)),
    Label(),
    Means(grid=SumGrid(top=(3, -7), bits=40, limbs=5)),
    Dispersion(grid=SumGrid((9, 5), 40, 3)),
    Silhouette(grid=SumGrid((1, 1), 40, 2)),
    SquaredDeviationsOfRows(grid=SumGrid(top=(3, -7), bits=40, limbs=5)),
    *(kind(SumGrid(top=(3, -7), bits=40, limbs=5), shift=3) for kind in _ADDING_WEIGHTED),
    *(kind(SumGrid(top=(9, 3), bits=48, limbs=2), shift=0) for kind in _MEASURING_WEIGHTED),
    WeightedSample(seed=2**63 - 1, round=4, oversampling=0.1),
    WeightedFarthest(limit=2**40),
    WeightedDistinct(limit=7),
    WeightedLabel(),
    WeightedDescribe(),
    DrawByWeight(limit=7, seed=2**63 - 1),
    WordCount(),
    *JOBS_OF_TABLES,
]
STATES: dict[str, npt.NDArray[Any]] = {
    "float64": np.array([[1.5, -0.0, 5e-324], [1e308, -1e308, 0.0]]),
    "int64": np.array([-(2**63), 2**63 - 1], np.int64),
    "int32": np.array([[[-(2**31)], [2**31 - 1]]], np.int32),
    "big_endian": np.array([1.0, 2.0], ">f8"),
    "transposed": np.arange(6.0).reshape(2, 3).T,
    "no_row": np.empty((0, 3)),
    "no_dimension": np.array(2.5),
}


def floats(*numbers: float, shape: list[int] | None = None, name: str = "x") -> pb.Array:
    data = np.array(numbers, "<f8").tobytes()
    return pb.Array(name=name, type=pb.ELEMENT_TYPE_FLOAT64, shape=shape or [len(numbers)], data=data)


def job_with(parameter: pb.Array, job: str = "distinct") -> pb.Job:
    return pb.Job(name=job, parameters=[parameter])


def limit(shape: list[int], data: bytes) -> pb.Array:
    return pb.Array(name="limit", type=pb.ELEMENT_TYPE_INT64, shape=shape, data=data)


def test_every_job_is_tried() -> None:
    assert {job.name: type(job) for job in INSTANCES} == JOBS


@pytest.mark.parametrize("job", INSTANCES, ids=lambda job: job.name)
def test_unpack_undoes_pack_of_jobs(job: Job) -> None:
    found, state = wire.unpack_job(sent(wire.pack_job(job, {})))
    assert found == job
    assert type(found) is type(job)
    assert [type(value) for value in vars(found).values()] == [type(value) for value in vars(job).values()]
    assert state == {}


def test_unpack_undoes_pack_of_states() -> None:
    _, state = wire.unpack_job(sent(wire.pack_job(Describe(), STATES)))
    assert list(state) == list(STATES)
    for name, array in STATES.items():
        assert state[name].dtype == array.dtype.newbyteorder("<")
        assert state[name].shape == array.shape
        assert state[name].tobytes() == array.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (pb.Job(name="sort"), "unknown job 'sort'"),
        (pb.Job(), "unknown job ''"),
        (pb.Job(name="distinct"), "job 'distinct' lacks parameter 'limit'"),
        (job_with(limit([1], bytes(8)), "sample"), "job 'sample' lacks parameter 'seed'"),
        (pb.Job(name="label", state=[pb.Array(name="x")]), "unknown element type 0"),
        (job_with(limit([2], bytes(8))), "array 'limit' does not have the size of its shape"),
        (job_with(limit([1], bytes(7))), "array 'limit' does not have the size of its shape"),
    ],
    ids=["unknown", "unnamed", "no_parameter", "other_parameter", "element_type", "too_short", "torn"],
)
def test_refuses_nonsense_jobs(message: pb.Job, what: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        wire.unpack_job(sent(message))
    assert str(caught.value) == what


@pytest.mark.parametrize(
    "array",
    [
        floats(1.0, 2.0, shape=[3]),
        floats(1.0, 2.0, shape=[1]),
        floats(1.0, 2.0, shape=[2, 2]),
        floats(1.0, 2.0, shape=[-2]),
        floats(1.0, 2.0, shape=[-1, -2]),
        floats(shape=[0, -1]),
        pb.Array(name="x", type=pb.ELEMENT_TYPE_INT32, shape=[1], data=bytes(8)),
    ],
    ids=["too_short", "too_long", "matrix", "negative", "twice_negative", "none_negative", "other_type"],
)
def test_refuses_arrays_of_a_wrong_size(array: pb.Array) -> None:
    with pytest.raises(BadRequestError, match=r"^array 'x' does not have the size of its shape$"):
        wire.unpack_job(sent(pb.Job(name="label", state=[array])))


@pytest.mark.parametrize("shape", [[2**62, 0], [2**40, 2**40, 0]])
def test_refuses_arrays_beyond_all_memory(shape: list[int]) -> None:
    with pytest.raises(BadRequestError):
        wire.unpack_job(sent(pb.Job(name="label", state=[floats(shape=shape)])))


@pytest.mark.parametrize("parameter", [limit([0], b""), limit([], bytes(8))], ids=["empty", "no_dimension"])
def test_refuses_parameters_that_are_not_one_number(parameter: pb.Array) -> None:
    with pytest.raises(BadRequestError):
        wire.unpack_job(sent(job_with(parameter)))


def test_refuses_parameters_of_another_type() -> None:
    with pytest.raises(BadRequestError):
        wire.unpack_job(sent(job_with(floats(2.5, name="limit"))))


@pytest.mark.parametrize("size", [0, 1])
def test_refuses_grids_without_limbs(size: int) -> None:
    grid = pb.Array(name="grid", type=pb.ELEMENT_TYPE_INT32, shape=[size], data=bytes(4 * size))
    with pytest.raises(BadRequestError):
        wire.unpack_job(sent(job_with(grid, "lloyd")))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_refuses_centroids_that_are_not_finite(number: float) -> None:
    array = floats(1.0, number, shape=[1, 2], name="centroids")
    with pytest.raises(BadRequestError, match=r"^state 'centroids' holds a number that is not finite$"):
        wire.unpack_job(sent(pb.Job(name="label", state=[array])))


@pytest.mark.parametrize(
    "grid", [[0, 1, 1], [49, 1, 1], [40, 0, 1], [1, 2**31 - 1, 1], [40, 1], [40, 1, 5000]]
)
def test_refuses_grids_no_master_makes(grid: list[int]) -> None:
    array = pb.Array(name="grid", type=pb.ELEMENT_TYPE_INT32, shape=[len(grid)])
    array.data = np.array(grid, "<i4").tobytes()
    with pytest.raises(BadRequestError, match="not a grid that a master makes"):
        wire.unpack_job(sent(job_with(array, "lloyd")))


@pytest.mark.parametrize(
    "array",
    [
        pb.Array(name="grid", type=pb.ELEMENT_TYPE_FLOAT64, shape=[3], data=np.array([40, 3, 5.0]).tobytes()),
        pb.Array(
            name="grid",
            type=pb.ELEMENT_TYPE_INT32,
            shape=[1, 3],
            data=np.array([[40, 3, 5]], "<i4").tobytes(),
        ),
    ],
    ids=["float64", "matrix"],
)
def test_refuses_grids_of_another_form(array: pb.Array) -> None:
    """A number that equals an integer must not stand for one, now or in what comes after it."""
    with pytest.raises(BadRequestError, match="not a grid that a master makes"):
        wire.unpack_job(sent(job_with(array, "lloyd")))
