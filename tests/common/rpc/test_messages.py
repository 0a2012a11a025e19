"""Messages: every pack is undone by its unpack, over the wire, and nonsense is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from google.protobuf.message import Message

from common.errors import BadRequestError
from common.jobs import JOBS
from common.jobs.base import Job
from common.jobs.centroids import FarthestRows, Label, LloydStep, SampleRows, Score
from common.jobs.rows import Describe, FirstDistinctRows, TakeRows
from common.jobs.wordcount import WordCount
from common.kernels.exact import SumGrid
from common.model import (
    Attempt,
    CommittedFile,
    FloatType,
    Input,
    InputFormat,
    MapOutput,
    RecordFormat,
    Role,
    Split,
    Stage,
    TaskOptions,
)
from common.rpc import messages as wire
from protos import mapreduce_pb2 as pb

FILE = CommittedFile(size_bytes=2**40, records=2**35, crc32=2**32 - 1)
INSTANCES: list[Job] = [
    Describe(),
    FirstDistinctRows(limit=7),
    TakeRows(),
    LloydStep(grid=SumGrid(top=(3, -7), bits=40, limbs=5)),
    Score(grid=SumGrid(top=(1001,), bits=48, limbs=2)),
    FarthestRows(limit=2**40),
    SampleRows(seed=2**63 - 1, round=4, oversampling=0.1),
    Label(),
    WordCount(),
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
VALUES: dict[str, tuple[Callable[[Any], Message], Callable[[Any], object], object]] = {
    "attempt": (wire.pack_attempt, wire.unpack_attempt, Attempt(Stage(2**40, "score"), 3, 4)),
    "attempt_in_iteration": (
        wire.pack_attempt,
        wire.unpack_attempt,
        Attempt(Stage(5, "lloyd", 6), 7, 8),
    ),
    "split": (wire.pack_split, wire.unpack_split, Split(1, 2**33, 2**34, 2**35, 2**36, 2**37)),
    "empty_split": (wire.pack_split, wire.unpack_split, Split(6, 5, 5, 9, 9, 0)),
    "options": (
        wire.pack_options,
        wire.unpack_options,
        TaskOptions(True, True, 0.25, 0.1, 2**62, RecordFormat.ARROW, 3),
    ),
    "file": (wire.pack_file, wire.unpack_file, FILE),
    "map_output": (
        wire.pack_map_output,
        wire.unpack_map_output,
        MapOutput(3, 2, "M4", "127.0.0.1:5000", FILE),
    ),
}


def sent(message: Message) -> Any:
    """Return the message as it arrives."""
    return type(message).FromString(message.SerializeToString())


def floats(*numbers: float, shape: list[int] | None = None, name: str = "x") -> pb.Array:
    data = np.array(numbers, "<f8").tobytes()
    return pb.Array(name=name, type=pb.ELEMENT_TYPE_FLOAT64, shape=shape or [len(numbers)], data=data)


def job_with(parameter: pb.Array, job: str = "distinct") -> pb.Job:
    return pb.Job(name=job, parameters=[parameter])


def limit(shape: list[int], data: bytes) -> pb.Array:
    return pb.Array(name="limit", type=pb.ELEMENT_TYPE_INT64, shape=shape, data=data)


def attempt(sequence: int = 1, job: str = "lloyd", task: int = 0, number: int = 1) -> pb.Attempt:
    return pb.Attempt(stage=pb.Stage(sequence=sequence, job=job), task=task, number=number)


@pytest.mark.parametrize(("pack", "unpack", "value"), VALUES.values(), ids=VALUES)
def test_unpack_undoes_pack(
    pack: Callable[[Any], Message], unpack: Callable[[Any], object], value: object
) -> None:
    assert unpack(sent(pack(value))) == value


@pytest.mark.parametrize("role", Role)
def test_unpack_undoes_pack_of_roles(role: Role) -> None:
    message = sent(pb.JoinRequest(role=wire.pack_role(role)))
    assert wire.unpack_role(message.role) is role


@pytest.mark.parametrize("dtype", FloatType)
@pytest.mark.parametrize("kind", InputFormat)
def test_unpack_undoes_pack_of_inputs(kind: InputFormat, dtype: FloatType) -> None:
    source = Input("/data/ä b.csv", kind, "\t", 9, (8, 0, 3), 2**40, 2**50, 2**60, dtype)
    assert wire.unpack_input(sent(wire.pack_input(source))) == source


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


@pytest.mark.parametrize("role", [pb.ROLE_UNSPECIFIED, 99])
def test_refuses_unknown_roles(role: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^unknown role {role}$"):
        wire.unpack_role(role)


@pytest.mark.parametrize("kind", [pb.INPUT_FORMAT_UNSPECIFIED, 99])
def test_refuses_unknown_formats(kind: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^unknown input format {kind}$"):
        wire.unpack_input(pb.Input(format=kind))


@pytest.mark.parametrize("dtype", [pb.ELEMENT_TYPE_UNSPECIFIED, pb.ELEMENT_TYPE_INT64, 99])
def test_refuses_inputs_that_are_not_kept_as_floats(dtype: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^unknown float type {dtype}$"):
        wire.unpack_input(pb.Input(format=pb.INPUT_FORMAT_TEXT, dtype=dtype))


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


@pytest.mark.parametrize(
    "message",
    [attempt(sequence=0), attempt(job="sort"), attempt(task=-1), attempt(number=0), pb.Attempt()],
    ids=["sequence", "job", "task", "number", "nothing"],
)
def test_refuses_attempts_no_master_makes(message: pb.Attempt) -> None:
    with pytest.raises(BadRequestError, match=r"^the attempt is not one that a master makes$"):
        wire.unpack_attempt(sent(message))


@pytest.mark.parametrize(
    "message",
    [
        pb.Split(row_start=2, row_stop=1),
        pb.Split(row_start=-1, row_stop=1),
        pb.Split(byte_start=2, byte_stop=1),
        pb.Split(byte_start=-2, byte_stop=-1),
    ],
    ids=["rows", "negative_row", "bytes", "negative_bytes"],
)
def test_refuses_splits_that_end_before_they_start(message: pb.Split) -> None:
    with pytest.raises(BadRequestError, match=r"^the split ends before it starts$"):
        wire.unpack_split(sent(message))


SOURCE = pb.Input(
    path="/data/points.csv",
    format=pb.INPUT_FORMAT_TEXT,
    fields=3,
    columns=[0, 2],
    rows=9,
    size_bytes=99,
    dtype=pb.ELEMENT_TYPE_FLOAT64,
)
OPTIONS = pb.TaskOptions(intermediate=pb.RECORD_FORMAT_TEXT, threads=1)
OUTPUT = pb.MapOutput(attempt=1, worker="M1", address="[::1]:5000")


def changed(message: Message, field: str, value: Any) -> Message:
    """Return the message with another value in one field."""
    result = type(message)()
    result.CopyFrom(message)
    result.ClearField(field)
    result.MergeFrom(type(message)(**{field: value}))
    return result


Case = tuple[Callable[[Any], object], Message, str, Any]


def cases(unpack: Callable[[Any], object], message: Message, **values: list[Any]) -> list[Case]:
    """Return the message with one field changed at a time."""
    return [(unpack, message, field, value) for field, wrong in values.items() for value in wrong]


OUT_OF_BOUNDS = [
    *cases(
        wire.unpack_input,
        SOURCE,
        path=["", "a\0b", "x" * 5000],
        delimiter=["ab"],
        fields=[0, -1, 2, 2**31 - 1],
        columns=[[], [3], [-1], [2**31 - 1], [0, 1, 2, 0]],
        rows=[0, -1, 2**63 - 1],
        size_bytes=[0, -1],
    ),
    *cases(
        wire.unpack_options,
        OPTIONS,
        delay_s=[-1.0, 1e9, float("nan"), float("inf")],
        fail_rate=[-0.1, 1.1, float("nan")],
        threads=[-1, 2**31 - 1],
        intermediate=[0],
    ),
    *cases(
        wire.unpack_map_output,
        OUTPUT,
        task=[-1, 2**31 - 1],
        attempt=[0, -1, 2**31 - 1],
        partition=[
            *(pb.File(size_bytes=size) for size in (-1, -(2**63))),
            *(pb.File(records=count) for count in (-1, 2**63 - 1)),
        ],
    ),
    *cases(wire.unpack_split, pb.Split(), index=[-1, 2**31 - 1], row_stop=[2**63 - 1, -1], line_start=[-1]),
    *cases(
        wire.unpack_attempt,
        attempt(),
        task=[2**31 - 1],
        stage=[pb.Stage(sequence=1, job="lloyd", iteration=-1)],
    ),
]


@pytest.mark.parametrize(("unpack", "message", "field", "value"), OUT_OF_BOUNDS)
def test_refuses_what_is_out_of_bounds(
    unpack: Callable[[Any], object], message: Message, field: str, value: Any
) -> None:
    with pytest.raises(BadRequestError):
        unpack(sent(changed(message, field, value)))


def test_the_same_within_bounds_is_fine() -> None:
    assert wire.unpack_input(sent(SOURCE)).columns == (0, 2)
    assert wire.unpack_options(sent(OPTIONS)).threads == 1
    assert wire.unpack_map_output(sent(OUTPUT)).address == "[::1]:5000"


@pytest.mark.parametrize(
    "address",
    ["", "unix:/run/x", "dns:///x:1", "host", "host:0", "host:65536", "a b:1", "host:1/x", "::1:80"],
)
def test_refuses_addresses_that_grpc_would_take(address: str) -> None:
    with pytest.raises(BadRequestError, match=r"^an address is not HOST:PORT$"):
        wire.unpack_address(address)


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


def test_a_line_for_the_log_stays_one_line() -> None:
    assert wire.unpack_lines(["a\nb\x1b[2J"]) == ["a\\nb\\x1b[2J"]
