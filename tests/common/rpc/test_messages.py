"""Messages: every pack is undone by its unpack, over the wire, and nonsense is refused."""

from typing import Any

import pytest
from google.protobuf.message import Message

from common.errors import BadRequestError
from common.model import (
    Attempt,
    CommittedFile,
    Dialect,
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
from tests.common.rpc.wire import sent

FILE = CommittedFile(size_bytes=2**40, records=2**35, crc32=2**32 - 1)
VALUES = {
    "attempt": Attempt(Stage(2**40, "score"), 3, 4),
    "attempt_in_iteration": Attempt(Stage(5, "lloyd", 6), 7, 8),
    "split": Split(1, 2**33, 2**34, 2**35, 2**36, 2**37),
    "empty_split": Split(6, 5, 5, 9, 9, 0),
    "options": TaskOptions(True, True, 0.25, 0.1, 2**62, RecordFormat.ARROW, 3),
    "file": FILE,
    "map_output": MapOutput(3, 2, "M4", "127.0.0.1:5000", FILE),
}


def attempt(sequence: int = 1, job: str = "lloyd", task: int = 0, number: int = 1) -> pb.Attempt:
    return pb.Attempt(stage=pb.Stage(sequence=sequence, job=job), task=task, number=number)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_unpack_undoes_pack(value: object) -> None:
    assert wire.unpack(type(value), sent(wire.pack(value))) == value


@pytest.mark.parametrize("role", Role)
def test_unpack_undoes_pack_of_roles(role: Role) -> None:
    message = sent(pb.JoinRequest(role=wire.pack(role)))
    assert wire.unpack(Role, message.role) is role


@pytest.mark.parametrize("dtype", FloatType)
@pytest.mark.parametrize("kind", InputFormat)
def test_unpack_undoes_pack_of_inputs(kind: InputFormat, dtype: FloatType) -> None:
    source = Input(
        "/data/ä b.csv",
        kind,
        Dialect("\t", "'", ",", "#", True, True),
        9,
        (8, 0, 3),
        2**40,
        2**50,
        2**60,
        dtype,
    )
    assert wire.unpack(Input, sent(wire.pack(source))) == source


@pytest.mark.parametrize("role", [pb.ROLE_UNSPECIFIED, 99])
def test_refuses_unknown_roles(role: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^unknown role {role}$"):
        wire.unpack(Role, role)


@pytest.mark.parametrize("kind", [pb.INPUT_FORMAT_UNSPECIFIED, 99])
def test_refuses_unknown_formats(kind: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^unknown input format {kind}$"):
        wire.unpack(Input, pb.Input(format=kind))


@pytest.mark.parametrize("dtype", [pb.ELEMENT_TYPE_UNSPECIFIED, pb.ELEMENT_TYPE_INT64, 99])
def test_refuses_inputs_that_are_not_kept_as_floats(dtype: Any) -> None:
    with pytest.raises(BadRequestError, match=f"^unknown float type {dtype}$"):
        wire.unpack(Input, pb.Input(format=pb.INPUT_FORMAT_TEXT, dialect=DIALECT, dtype=dtype))


@pytest.mark.parametrize(
    "message",
    [attempt(sequence=0), attempt(job="sort"), attempt(task=-1), attempt(number=0), pb.Attempt()],
    ids=["sequence", "job", "task", "number", "nothing"],
)
def test_refuses_attempts_no_master_makes(message: pb.Attempt) -> None:
    with pytest.raises(BadRequestError, match=r"^the attempt is not one that a master makes$"):
        wire.unpack(Attempt, sent(message))


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
        wire.unpack(Split, sent(message))


DIALECT = pb.Dialect(decimal=".")
SOURCE = pb.Input(
    path="/data/points.csv",
    format=pb.INPUT_FORMAT_TEXT,
    dialect=DIALECT,
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


Case = tuple[type, Message, str, Any]


def cases(kind: type, message: Message, **values: list[Any]) -> list[Case]:
    """Return the message with one field changed at a time."""
    return [(kind, message, field, value) for field, wrong in values.items() for value in wrong]


OUT_OF_BOUNDS = [
    *cases(
        Input,
        SOURCE,
        path=["", "a\0b", "x" * 5000],
        fields=[0, -1, 2, 2**31 - 1],
        columns=[[], [3], [-1], [2**31 - 1], [0, 1, 2, 0]],
        rows=[0, -1, 2**63 - 1],
        size_bytes=[0, -1],
    ),
    *cases(Dialect, DIALECT, delimiter=["ab", "ä"], quote=["ab"], comment=["//"], decimal=["", ";"]),
    *cases(
        TaskOptions,
        OPTIONS,
        delay_s=[-1.0, 1e9, float("nan"), float("inf")],
        fail_rate=[-0.1, 1.1, float("nan")],
        threads=[-1, 2**31 - 1],
        intermediate=[0],
    ),
    *cases(
        MapOutput,
        OUTPUT,
        task=[-1, 2**31 - 1],
        attempt=[0, -1, 2**31 - 1],
        worker=["M\n1"],
        partition=[
            *(pb.File(size_bytes=size) for size in (-1, -(2**63))),
            *(pb.File(records=count) for count in (-1, 2**63 - 1)),
        ],
    ),
    *cases(Split, pb.Split(), index=[-1, 2**31 - 1], row_stop=[2**63 - 1, -1], line_start=[-1]),
    *cases(
        Attempt,
        attempt(),
        task=[2**31 - 1],
        stage=[pb.Stage(sequence=1, job="lloyd", iteration=-1)],
    ),
]


@pytest.mark.parametrize(("kind", "message", "field", "value"), OUT_OF_BOUNDS)
def test_refuses_what_is_out_of_bounds(kind: type, message: Message, field: str, value: Any) -> None:
    with pytest.raises(BadRequestError):
        wire.unpack(kind, sent(changed(message, field, value)))


def test_the_same_within_bounds_is_fine() -> None:
    assert wire.unpack(Input, sent(SOURCE)).columns == (0, 2)
    assert wire.unpack(TaskOptions, sent(OPTIONS)).threads == 1
    assert wire.unpack(MapOutput, sent(OUTPUT)).address == "[::1]:5000"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "unix:run/x",
        "unix://host/x",
        "unix:/" + 107 * "x",
        "unix-abstract:x",
        "dns:///x:1",
        "host",
        "host:0",
        "host:65536",
        "a b:1",
        "host:1/x",
        "::1:80",
    ],
)
def test_refuses_addresses_that_grpc_would_take(address: str) -> None:
    with pytest.raises(BadRequestError, match=r"^an address is neither HOST:PORT nor unix:PATH$"):
        wire.unpack_address(address)


def test_a_line_for_the_log_stays_one_line() -> None:
    start = "2026-01-31T12:00:00.123456Z"
    lines = wire.unpack_lines([f"{start} R7 event=a\nb\x1b[2J"], "M1")
    assert lines == [f"{start} M1 event=a\\nb\\x1b[2J"]


TABLE = wire.Table("colour", {1: "red", 2: "green"})


@pytest.mark.parametrize("number", [3, 4, 5])
def test_a_number_within_its_bounds(number: int) -> None:
    assert wire.within(number, 3, 5, "rows") == number


@pytest.mark.parametrize("number", [2, 6])
def test_a_number_out_of_bounds(number: int) -> None:
    with pytest.raises(BadRequestError, match=f"^rows is {number}, not from 3 to 5$"):
        wire.within(number, 3, 5, "rows")


def test_a_table_goes_both_ways() -> None:
    assert [TABLE.unpack(TABLE.pack(word)) for word in ("red", "green")] == ["red", "green"]


def test_a_word_that_the_table_does_not_have() -> None:
    with pytest.raises(BadRequestError, match=r"^unknown colour 3$"):
        TABLE.unpack(3)
