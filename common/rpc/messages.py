"""Between our own types and the messages of `protos/mapreduce.proto`; nothing else knows both.

`pack_x` makes a message, `unpack_x` undoes it. A message that makes no sense, or asks for more than
there can be, raises BadRequestError before anything of the size it names is allocated.
"""

import re
from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import BadRequestError, printable
from common.jobs import find_job
from common.jobs.base import Job
from common.jobs.parameters import job_from, parameters_of
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
    State,
    TaskOptions,
)
from protos import mapreduce_pb2 as pb

_ELEMENT_TYPES = {
    pb.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
    pb.ELEMENT_TYPE_INT64: np.dtype("<i8"),
    pb.ELEMENT_TYPE_INT32: np.dtype("<i4"),
}
_ROLES = {pb.ROLE_MAPPER: Role.MAPPER, pb.ROLE_REDUCER: Role.REDUCER}
_FORMATS = {
    pb.INPUT_FORMAT_TEXT: InputFormat.TEXT,
    pb.INPUT_FORMAT_NPY: InputFormat.NPY,
    pb.INPUT_FORMAT_PARQUET: InputFormat.PARQUET,
    pb.INPUT_FORMAT_LINES: InputFormat.LINES,
}
_FLOAT_TYPES = {
    pb.ELEMENT_TYPE_FLOAT32: FloatType.FLOAT32,
    pb.ELEMENT_TYPE_FLOAT64: FloatType.FLOAT64,
}
_RECORD_FORMATS = {
    pb.RECORD_FORMAT_TEXT: RecordFormat.TEXT,
    pb.RECORD_FORMAT_ARROW: RecordFormat.ARROW,
}

_MOST_ROWS = 1 << 53
"""Beyond this, row numbers are no longer float64s."""
_MOST_BYTES = (1 << 63) - 1
_MOST_TASKS = 1 << 20
_MOST_PARTITIONS = 1 << 14
"""Each is a file, and a place in every answer of a mapper."""
_MOST_COLUMNS = 1 << 20
_MOST_DIMENSIONS = 3
_MOST_NUMBERS = 1 << 28
"""What the largest message has room for."""
_MOST_THREADS = 1 << 10
_MOST_PATH_CHARACTERS = 1 << 12
_LONGEST_DELAY_S = 3600.0
_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


def _within(number: int, low: int, high: int, what: str) -> int:
    """Return the number if it is from low to high, both included."""
    if not low <= number <= high:
        raise BadRequestError(f"{what} is {number}, not from {low} to {high}")
    return number


def _inverse(table: Mapping[Any, Any], value: object) -> Any:
    return next(key for key, known in table.items() if known == value)


def _known(table: Mapping[Any, Any], key: object, what: str) -> Any:
    if key not in table:
        raise BadRequestError(f"unknown {what} {key!r}")
    return table[key]


def pack_role(role: Role) -> pb.Role.ValueType:
    """Pack a role."""
    return _inverse(_ROLES, role)  # type: ignore[no-any-return]


def unpack_role(message: pb.Role.ValueType) -> Role:
    """Unpack a role."""
    return _known(_ROLES, message, "role")  # type: ignore[no-any-return]


def _pack_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Iterable[pb.Array]:
    for name, array in arrays.items():
        kind = array.dtype.newbyteorder("<")
        yield pb.Array(
            name=name,
            type=_inverse(_ELEMENT_TYPES, kind),
            shape=array.shape,
            data=array.astype(kind).tobytes(),
        )


def _unpack_arrays(messages: Iterable[pb.Array]) -> dict[str, npt.NDArray[Any]]:
    arrays = {}
    for message in messages:
        kind = _known(_ELEMENT_TYPES, message.type, "element type")
        shape = tuple(message.shape)
        if len(shape) > _MOST_DIMENSIONS or prod(max(size, 1) for size in shape) > _MOST_NUMBERS:
            raise BadRequestError(f"array {message.name!r} has a shape that no job uses")
        data = message.data  # each look at it makes a copy
        if min(shape, default=0) < 0 or prod(shape) * kind.itemsize != len(data):
            raise BadRequestError(f"array {message.name!r} does not have the size of its shape")
        arrays[message.name] = np.frombuffer(data, kind).reshape(shape)
    return arrays


def pack_job(job: Job, state: State) -> pb.Job:
    """Pack a job and its state."""
    return pb.Job(name=job.name, parameters=_pack_arrays(parameters_of(job)), state=_pack_arrays(state))


def unpack_job(message: pb.Job) -> tuple[Job, State]:
    """Unpack a job and its state."""
    kind = find_job(message.name)
    if kind is None:
        raise BadRequestError(f"unknown job {message.name!r}")
    try:
        job = job_from(kind, _unpack_arrays(message.parameters))
    except KeyError as error:
        raise BadRequestError(f"job {message.name!r} lacks parameter {error}") from None
    except ValueError as error:
        raise BadRequestError(f"job {message.name!r}: {error}") from None
    state = _unpack_arrays(message.state)
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise BadRequestError(f"state {name!r} holds a number that is not finite")
    return job, state


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
    job, iteration = message.stage.job, message.stage.iteration
    if find_job(job) is None or message.stage.sequence < 1 or message.number < 1 or iteration < 0:
        raise BadRequestError("the attempt is not one that a master makes")
    if not 0 <= message.task < _MOST_TASKS:
        raise BadRequestError("the attempt is not one that a master makes")
    stage = Stage(message.stage.sequence, job, iteration or None, message.stage.epoch)
    return Attempt(stage, message.task, message.number)


def pack_input(source: Input) -> pb.Input:
    """Pack what is known of the input."""
    return pb.Input(
        path=source.path,
        format=_inverse(_FORMATS, source.format),
        delimiter=source.delimiter,
        fields=source.fields,
        columns=source.columns,
        rows=source.rows,
        size_bytes=source.size_bytes,
        mtime_ns=source.mtime_ns,
        dtype=_inverse(_FLOAT_TYPES, source.dtype),
        digest=source.digest,
    )


def unpack_input(message: pb.Input) -> Input:
    """Unpack what is known of the input."""
    kind = _known(_FORMATS, message.format, "input format")
    dtype = _known(_FLOAT_TYPES, message.dtype, "float type")
    if not 0 < len(message.path) <= _MOST_PATH_CHARACTERS or "\0" in message.path:
        raise BadRequestError("the input's path is none")
    if len(message.delimiter) > 1:
        raise BadRequestError("a delimiter is one character")
    fields = _within(message.fields, 1, _MOST_COLUMNS, "fields")
    _within(len(message.columns), 1, fields, "the number of columns")
    return Input(
        path=message.path,
        format=kind,
        delimiter=message.delimiter,
        fields=fields,
        columns=tuple(_within(column, 0, fields - 1, "a column") for column in message.columns),
        rows=_within(message.rows, 1, _MOST_ROWS, "rows"),
        size_bytes=_within(message.size_bytes, 1, _MOST_BYTES, "size_bytes"),
        mtime_ns=message.mtime_ns,
        dtype=dtype,
        digest=message.digest,
    )


def pack_split(split: Split) -> pb.Split:
    """Pack a split."""
    return pb.Split(
        index=split.index,
        row_start=split.row_start,
        row_stop=split.row_stop,
        byte_start=split.byte_start,
        byte_stop=split.byte_stop,
        line_start=split.line_start,
    )


def unpack_split(message: pb.Split) -> Split:
    """Unpack a split."""
    if not 0 <= message.row_start <= message.row_stop or not 0 <= message.byte_start <= message.byte_stop:
        raise BadRequestError("the split ends before it starts")
    _within(message.row_stop, 0, _MOST_ROWS, "the split's end")
    _within(message.line_start, 0, _MOST_BYTES, "the split's first line")
    return Split(
        _within(message.index, 0, _MOST_TASKS - 1, "the split"),
        message.row_start,
        message.row_stop,
        message.byte_start,
        message.byte_stop,
        message.line_start,
    )


def pack_options(options: TaskOptions) -> pb.TaskOptions:
    """Pack a task's options."""
    return pb.TaskOptions(
        combine=options.combine,
        keep_iterations=options.keep_iterations,
        delay_s=options.delay_s,
        fail_rate=options.fail_rate,
        seed=options.seed,
        intermediate=_inverse(_RECORD_FORMATS, options.intermediate),
        threads=options.threads,
    )


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
        intermediate=_known(_RECORD_FORMATS, message.intermediate, "record format"),
        threads=_within(message.threads, 0, _MOST_THREADS, "threads"),
    )


def pack_file(file: CommittedFile) -> pb.File:
    """Pack what a writer vouches for."""
    return pb.File(size_bytes=file.size_bytes, records=file.records, crc32=file.crc32)


def unpack_file(message: pb.File) -> CommittedFile:
    """Unpack what a writer vouches for."""
    return CommittedFile(
        _within(message.size_bytes, 0, _MOST_BYTES, "a file's size"),
        _within(message.records, 0, _MOST_ROWS, "a file's number of records"),
        message.crc32,
    )


def pack_map_output(output: MapOutput) -> pb.MapOutput:
    """Pack where a partition is."""
    return pb.MapOutput(
        task=output.task,
        attempt=output.attempt,
        worker=output.worker,
        address=output.address,
        partition=pack_file(output.partition),
    )


def unpack_map_output(message: pb.MapOutput) -> MapOutput:
    """Unpack where a partition is."""
    return MapOutput(
        _within(message.task, 0, _MOST_TASKS - 1, "a map task"),
        _within(message.attempt, 1, _MOST_TASKS, "an attempt"),
        printable(message.worker),
        unpack_address(message.address),
        unpack_file(message.partition),
    )


def unpack_address(text: str) -> str:
    """Return the text if it is HOST:PORT; gRPC would take much else for an address, files among it."""
    match = _ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match[1]) < 1 << 16:
        raise BadRequestError("an address is not HOST:PORT")
    return text


def unpack_partitions(count: int) -> int:
    """Return how many partitions a map task is to write."""
    return _within(count, 0, _MOST_PARTITIONS, "the number of partitions")


def unpack_partition(partition: int) -> int:
    """Return which partition is asked for, from 0."""
    return _within(partition, 0, _MOST_PARTITIONS - 1, "the partition")


def unpack_offset(offset: int) -> int:
    """Return how many bytes are to be skipped."""
    return _within(offset, 0, _MOST_BYTES, "the offset")


def unpack_index(index: int, what: str) -> int:
    """Return a worker's index or incarnation, from 1."""
    return _within(index, 1, _MOST_TASKS, what)


def unpack_lines(lines: Iterable[str]) -> list[str]:
    """Return lines for dump.txt, each one line whatever it holds."""
    return [printable(line) for line in lines]
