"""Between our own types and the messages of `protos/mapreduce.proto`; nothing else knows both.

`pack_x` makes a message, `unpack_x` undoes it. A message that makes no sense, or asks for more than
there can be, raises BadRequestError before anything of the size it names is allocated. Jobs and their
state are in `job_messages`.
"""

import re
from collections.abc import Iterable
from typing import Any

from common.errors import BadRequestError, printable
from common.jobs import find_job
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
from common.rpc.checks import MOST_BYTES, MOST_ROWS, MOST_TASKS, Table, within
from protos import mapreduce_pb2 as pb

_ROLES = Table("role", {pb.ROLE_MAPPER: Role.MAPPER, pb.ROLE_REDUCER: Role.REDUCER})
_FORMATS = Table(
    "input format",
    {
        pb.INPUT_FORMAT_TEXT: InputFormat.TEXT,
        pb.INPUT_FORMAT_NPY: InputFormat.NPY,
        pb.INPUT_FORMAT_PARQUET: InputFormat.PARQUET,
        pb.INPUT_FORMAT_LINES: InputFormat.LINES,
    },
)
_FLOAT_TYPES = Table(
    "float type",
    {pb.ELEMENT_TYPE_FLOAT32: FloatType.FLOAT32, pb.ELEMENT_TYPE_FLOAT64: FloatType.FLOAT64},
)
_RECORD_FORMATS = Table(
    "record format",
    {pb.RECORD_FORMAT_TEXT: RecordFormat.TEXT, pb.RECORD_FORMAT_ARROW: RecordFormat.ARROW},
)

_MOST_PARTITIONS = 1 << 14
"""Each is a file, and an entry in every answer of a mapper."""
_MOST_COLUMNS = 1 << 20
_MOST_THREADS = 1 << 10
_MOST_PATH_CHARACTERS = 1 << 12
_LONGEST_DELAY_S = 3600.0
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


def _by_name(value: Any) -> dict[str, Any]:
    """Return the fields of a value that a message has under the same names; `asdict` would copy each."""
    return {name: getattr(value, name) for name in value.__slots__}


def pack_role(role: Role) -> pb.Role.ValueType:
    """Pack a role."""
    return _ROLES.pack(role)


def unpack_role(message: pb.Role.ValueType) -> Role:
    """Unpack a role."""
    return _ROLES.unpack(message)


def pack_attempt(attempt: Attempt) -> pb.Attempt:
    """Pack an attempt."""
    stage = pb.Stage(
        sequence=attempt.stage.sequence,
        job=attempt.stage.job,
        iteration=attempt.stage.iteration or 0,
        epoch=attempt.stage.epoch,
    )
    return pb.Attempt(stage=stage, task=attempt.task, number=attempt.number)


def unpack_attempt(message: pb.Attempt) -> Attempt:
    """Unpack an attempt."""
    stage = message.stage
    counted = stage.sequence >= 1 and stage.iteration >= 0 and message.number >= 1
    if find_job(stage.job) is None or not counted or not 0 <= message.task < MOST_TASKS:
        raise BadRequestError("the attempt is not one that a master makes")
    made_in = Stage(stage.sequence, stage.job, stage.iteration or None, stage.epoch)
    return Attempt(made_in, message.task, message.number)


def pack_input(source: Input) -> pb.Input:
    """Pack what is known of the input."""
    words = {"format": _FORMATS.pack(source.format), "dtype": _FLOAT_TYPES.pack(source.dtype)}
    return pb.Input(**_by_name(source) | words)


def unpack_input(message: pb.Input) -> Input:
    """Unpack what is known of the input."""
    kind = _FORMATS.unpack(message.format)
    dtype = _FLOAT_TYPES.unpack(message.dtype)
    if not 0 < len(message.path) <= _MOST_PATH_CHARACTERS or "\0" in message.path:
        raise BadRequestError("the input's path is none")
    if len(message.delimiter) > 1:
        raise BadRequestError("a delimiter is one character")
    fields = within(message.fields, 1, _MOST_COLUMNS, "fields")
    within(len(message.columns), 1, fields, "the number of columns")
    return Input(
        path=message.path,
        format=kind,
        delimiter=message.delimiter,
        fields=fields,
        columns=tuple(within(column, 0, fields - 1, "a column") for column in message.columns),
        rows=within(message.rows, 1, MOST_ROWS, "rows"),
        size_bytes=within(message.size_bytes, 1, MOST_BYTES, "size_bytes"),
        mtime_ns=message.mtime_ns,
        dtype=dtype,
        digest=message.digest,
    )


def pack_split(split: Split) -> pb.Split:
    """Pack a split."""
    return pb.Split(**_by_name(split))


def unpack_split(message: pb.Split) -> Split:
    """Unpack a split."""
    if not 0 <= message.row_start <= message.row_stop or not 0 <= message.byte_start <= message.byte_stop:
        raise BadRequestError("the split ends before it starts")
    within(message.row_stop, 0, MOST_ROWS, "the split's end")
    within(message.line_start, 0, MOST_BYTES, "the split's first line")
    return Split(
        index=within(message.index, 0, MOST_TASKS - 1, "the split"),
        row_start=message.row_start,
        row_stop=message.row_stop,
        byte_start=message.byte_start,
        byte_stop=message.byte_stop,
        line_start=message.line_start,
    )


def pack_options(options: TaskOptions) -> pb.TaskOptions:
    """Pack a task's options."""
    return pb.TaskOptions(**_by_name(options) | {"intermediate": _RECORD_FORMATS.pack(options.intermediate)})


def unpack_options(message: pb.TaskOptions) -> TaskOptions:
    """Unpack a task's options."""
    # What is not a number is not within anything.
    if not 0 <= message.delay_s <= _LONGEST_DELAY_S or not 0 <= message.fail_rate <= 1:
        raise BadRequestError("no such delay or fail rate")
    return TaskOptions(
        combine=message.combine,
        keep_iterations=message.keep_iterations,
        delay_s=message.delay_s,
        fail_rate=message.fail_rate,
        seed=message.seed,
        intermediate=_RECORD_FORMATS.unpack(message.intermediate),
        threads=within(message.threads, 0, _MOST_THREADS, "threads"),
    )


def pack_file(file: CommittedFile) -> pb.File:
    """Pack what a writer vouches for."""
    return pb.File(**_by_name(file))


def unpack_file(message: pb.File) -> CommittedFile:
    """Unpack what a writer vouches for."""
    return CommittedFile(
        size_bytes=within(message.size_bytes, 0, MOST_BYTES, "a file's size"),
        records=within(message.records, 0, MOST_ROWS, "a file's number of records"),
        crc32=message.crc32,
    )


def pack_map_output(output: MapOutput) -> pb.MapOutput:
    """Pack where a partition is."""
    return pb.MapOutput(**_by_name(output) | {"partition": pack_file(output.partition)})


def unpack_map_output(message: pb.MapOutput) -> MapOutput:
    """Unpack where a partition is."""
    return MapOutput(
        task=within(message.task, 0, MOST_TASKS - 1, "a map task"),
        attempt=within(message.attempt, 1, MOST_TASKS, "an attempt"),
        worker=printable(message.worker),
        address=unpack_address(message.address),
        partition=unpack_file(message.partition),
    )


def unpack_address(text: str) -> str:
    """Return the text if it is HOST:PORT; gRPC would take much else for an address, files among it."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[1]) < 1 << 16:
        raise BadRequestError("an address is not HOST:PORT")
    return text


def unpack_partitions(count: int) -> int:
    """Return how many partitions a map task is to write."""
    return within(count, 0, _MOST_PARTITIONS, "the number of partitions")


def unpack_partition(partition: int) -> int:
    """Return which partition is asked for, from 0."""
    return within(partition, 0, _MOST_PARTITIONS - 1, "the partition")


def unpack_offset(offset: int) -> int:
    """Return how many bytes are to be skipped."""
    return within(offset, 0, MOST_BYTES, "the offset")


def unpack_index(index: int, what: str) -> int:
    """Return a worker's index or incarnation, from 1."""
    return within(index, 1, MOST_TASKS, what)


def unpack_lines(lines: Iterable[str]) -> list[str]:
    """Return lines for dump.txt, each one line whatever it holds."""
    return [printable(line) for line in lines]
