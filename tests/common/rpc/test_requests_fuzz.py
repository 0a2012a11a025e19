"""Whatever a request holds: the worker lives, says little, stays small, and works on afterwards."""

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pyarrow.ipc  # noqa: F401 (its memory is not a request's)
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.jobs import JOBS
from common.jobs.base import Job
from common.jobs.candidates import SampleRows, WeighCandidates
from common.jobs.centroids import FarthestRows, Label, Score
from common.jobs.lloyd import LloydStep
from common.jobs.measures import Dispersion, Silhouette
from common.jobs.rows import Describe, FirstDistinctRows, SquaredDeviationsOfRows, TakeRows
from common.kernels.exact import SumGrid
from common.model import TaskOptions
from common.rpc.credentials import PeerRole
from common.rpc.job_messages import pack_job
from common.rpc.messages import pack
from protos import mapreduce_pb2 as pb
from protos.mapreduce_pb2_grpc import MapperStub, ReducerStub
from tests.programs import SAMPLE
from tests.servers import LOCAL, Serving, methods, serving

METHODS = methods()
TIMEOUT_S = 20.0
MOST_GROWTH_BYTES = 64 << 20
EXAMPLES = settings(max_examples=60, suppress_health_check=list(HealthCheck))
DISTURBED = (
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
INTERESTING = st.sampled_from([0, 1, 2, 3, 31, 400, -1, 2**20, 2**31 - 1, -(2**31)])
WIDE = INTERESTING | st.sampled_from([2**53, 2**63 - 1, -(2**63)])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("fuzz")
    with serving(LOCAL, folder) as found:
        yield found
        works_on(found)
    assert not list(folder.rglob("*..*"))
    shutil.rmtree(folder)


def works_on(servers: Serving) -> None:
    """Run a map task and a reduce task as a master would, newer than any other."""
    newest = pb.Attempt(stage=pb.Stage(sequence=2**63 - 1, job="label"), number=2**31 - 1)
    status = SAMPLE.stat()
    order = pb.MapRequest(
        attempt=newest,
        job=pack_job(Label(), {"centroids": np.zeros((2, 2))}),
        input=an_input(),
        split=pb.Split(row_stop=31, byte_stop=status.st_size, line_start=1),
        partitions=1,
        options=pack(TaskOptions()),
    )
    channel = servers.channel(PeerRole.MAPPER, None)
    assert MapperStub(channel).Map(order, timeout=TIMEOUT_S).map_output.records == 31
    channel.close()
    channel = servers.channel(PeerRole.REDUCER, None)
    reduce = pb.ReduceRequest(attempt=newest, job=order.job, options=order.options)
    assert ReducerStub(channel).Reduce(reduce, timeout=TIMEOUT_S).output.records == 0
    channel.close()


def an_input() -> pb.Input:
    status = SAMPLE.stat()
    return pb.Input(
        path=str(SAMPLE),
        format=pb.INPUT_FORMAT_TEXT,
        dialect=pb.Dialect(delimiter=",", decimal="."),
        fields=2,
        columns=[0, 1],
        rows=31,
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        dtype=pb.ELEMENT_TYPE_FLOAT64,
    )


def texts() -> st.SearchStrategy[str]:
    names = ["centroids", "starts", "grid", "limit", "cost", "seed", "moved_rows", "moved_keys"]
    others = ["127.0.0.1:1", "unix:/nowhere", "0" * 64, str(SAMPLE), "/etc/passwd", "../../x", "\n", ","]
    return st.sampled_from([*JOBS, *names, *others]) | st.text(max_size=9)


def numbers_of(field: Any) -> st.SearchStrategy[Any]:
    kinds: dict[int, st.SearchStrategy[Any]] = {
        FieldDescriptor.CPPTYPE_INT32: INTERESTING,
        FieldDescriptor.CPPTYPE_ENUM: st.integers(0, 9),
        FieldDescriptor.CPPTYPE_INT64: WIDE,
        FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
        FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        # A delay would be waited for.
        FieldDescriptor.CPPTYPE_DOUBLE: st.sampled_from([0.0, -1.0, 1e-9, 1e308, float("nan"), float("inf")]),
    }
    if field.type == FieldDescriptor.TYPE_BYTES:
        sizes = st.sampled_from([0, 1, 4, 8, 12, 16, 24, 32])
        return sizes.flatmap(lambda size: st.binary(min_size=size, max_size=size))
    if field.type == FieldDescriptor.TYPE_STRING:
        return texts()
    return kinds[field.cpp_type]


@st.composite
def messages(draw: st.DrawFn, kind: type[Message]) -> Message:
    """Return a message whose fields are filled with what might make sense, or not."""
    message: Any = kind()
    for field in kind.DESCRIPTOR.fields:
        if draw(st.integers(0, 9)) == 0:
            continue  # most requests should get past the first check
        if field.message_type is not None:
            count = draw(st.integers(0, 3)) if field.is_repeated else 1
            for _ in range(count):
                part = draw(messages(getattr(pb, field.message_type.name)))
                target = getattr(message, field.name)
                (target.add() if field.is_repeated else target).CopyFrom(part)
        elif field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(numbers_of(field), max_size=4)))
        else:
            setattr(message, field.name, draw(numbers_of(field)))
    if isinstance(message, pb.MapRequest) and draw(st.booleans()):
        message.input.CopyFrom(an_input())
    return message  # type: ignore[no-any-return]


CENTROIDS = {"centroids": np.array([[0.0, 1.0], [2.0, 3.0]])}
OF_CLUSTERS = {"means": np.ones((2, 2)), "variances": np.ones(2), "sizes": np.array([3.0, 4.0])}
MOVED = {"moved_rows": np.array([3]), "moved_keys": np.array([1])}
ORDERS: list[tuple[Job, dict[str, Any]]] = [
    (Describe(), {}),
    (Label(), CENTROIDS),
    (LloydStep(SumGrid((5, 5), 40, 3)), CENTROIDS),
    (LloydStep(SumGrid((5, 5), 40, 3)), CENTROIDS | MOVED),
    (Score(SumGrid((9,), 40, 3)), {"centroids": np.ones((5, 2)), "starts": np.array([[0, 3], [7, 2]])}),
    (WeighCandidates(SumGrid((9,), 40, 3)), {"centroids": np.ones((3, 2)), "starts": np.array([[0, 3]])}),
    (FarthestRows(3), CENTROIDS),
    (Dispersion(SumGrid((9, 5), 40, 3)), CENTROIDS | {"means": np.ones((2, 2))}),
    (Silhouette(SumGrid((1, 1), 40, 3)), CENTROIDS | OF_CLUSTERS),
    (SampleRows(1, 2, 0.5), CENTROIDS | {"cost": np.array([9.0])}),
    (FirstDistinctRows(2), {}),
    (SquaredDeviationsOfRows(SumGrid((9, 9), 40, 3)), {"means": np.ones(2)}),
    (TakeRows(), {"rows": np.array([1, 2])}),
]


@st.composite
def nearly_right(draw: st.DrawFn) -> pb.MapRequest:
    """Return an order that a master might give, but for up to three fields."""
    job, state = draw(st.sampled_from(ORDERS))
    message = pb.MapRequest(
        attempt=pb.Attempt(stage=pb.Stage(job=job.name), number=1),
        job=pack_job(job, state),
        input=an_input(),
        split=pb.Split(row_stop=31, byte_stop=SAMPLE.stat().st_size, line_start=1),
        partitions=2,
        options=pack(TaskOptions(combine=draw(st.booleans()))),
    )
    for _ in range(draw(st.integers(0, 3))):
        spoil(draw, message)
    return message


def spoil(draw: st.DrawFn, message: Any) -> None:
    """Change a number or text somewhere in a message."""
    field = draw(st.sampled_from(list(message.DESCRIPTOR.fields)))
    value = getattr(message, field.name)
    if field.message_type is not None:
        parts = list(value) if field.is_repeated else [value]
        if parts:
            spoil(draw, draw(st.sampled_from(parts)))
    elif field.is_repeated:
        if len(value):
            value[draw(st.integers(0, len(value) - 1))] = draw(numbers_of(field))
    else:
        setattr(message, field.name, draw(numbers_of(field)))


def attack(servers: Serving, method: str, data: bytes) -> None:
    """Send bytes to a method; check what comes back, and what it took."""
    role, _ = METHODS[method]
    process = psutil.Process()
    before = process.memory_info().rss
    error = failure_of(servers.addresses[role], method, data)
    assert process.memory_info().rss - before < MOST_GROWTH_BYTES
    if error is None:
        return
    assert isinstance(error, grpc.Call)
    text = error.details() or ""
    assert error.code() not in DISTURBED
    assert error.code() is not grpc.StatusCode.INTERNAL or text.startswith("internal error ")
    assert len(text) < 500
    assert "Traceback" not in text
    assert ".py" not in text


def failure_of(address: str, method: str, data: bytes) -> grpc.RpcError | None:
    channel = grpc.insecure_channel(address)
    call: Any = channel.unary_stream(method)  # which takes a single answer, too
    try:
        for _ in call(data, timeout=TIMEOUT_S):
            pass
    except grpc.RpcError as error:
        return error
    finally:
        channel.close()
    return None


@pytest.mark.parametrize("method", METHODS)
def test_random_messages(servers: Serving, method: str) -> None:
    @EXAMPLES
    @given(messages(METHODS[method][1]))
    def run(message: Message) -> None:
        attack(servers, method, message.SerializeToString())

    run()


@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_orders_with_something_wrong(tmp_path: Path) -> None:
    sequences = count(1)

    @settings(EXAMPLES, max_examples=200)
    @given(nearly_right())
    def run(message: pb.MapRequest) -> None:
        message.attempt.stage.sequence = next(sequences)  # none is stale
        attack(own, "/mapreduce.v1.Mapper/Map", message.SerializeToString())

    with serving(LOCAL, tmp_path) as own:
        run()
        works_on(own)


@pytest.mark.parametrize("method", METHODS)
def test_random_bytes(servers: Serving, method: str) -> None:
    @settings(EXAMPLES, max_examples=20)
    @given(st.binary(max_size=60))
    def run(data: bytes) -> None:
        attack(servers, method, data)

    run()
