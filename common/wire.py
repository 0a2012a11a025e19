"""Between our own types and the messages of `protos/mapreduce.proto`; nothing else knows both.

`pack_x` makes a message, `unpack_x` undoes it. A message that makes no sense raises ValueError.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from common.jobs import JOBS
from common.jobs.base import Job
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
}
_FLOAT_TYPES = {
    pb.ELEMENT_TYPE_FLOAT32: FloatType.FLOAT32,
    pb.ELEMENT_TYPE_FLOAT64: FloatType.FLOAT64,
}
_RECORD_FORMATS = {
    pb.RECORD_FORMAT_TEXT: RecordFormat.TEXT,
    pb.RECORD_FORMAT_ARROW: RecordFormat.ARROW,
}


def _inverse(table: Mapping[Any, Any], value: object) -> Any:
    return next(key for key, known in table.items() if known == value)


def _known(table: Mapping[Any, Any], key: object, what: str) -> Any:
    if key not in table:
        raise ValueError(f"unknown {what} {key!r}")
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
        if min(message.shape, default=0) < 0 or prod(message.shape) * kind.itemsize != len(message.data):
            raise ValueError(f"array {message.name!r} does not have the size of its shape")
        arrays[message.name] = np.frombuffer(message.data, kind).reshape(tuple(message.shape))
    return arrays


def pack_job(job: Job, state: State) -> pb.Job:
    """Pack a job and its state."""
    return pb.Job(name=job.name, parameters=_pack_arrays(job.parameters()), state=_pack_arrays(state))


def unpack_job(message: pb.Job) -> tuple[Job, State]:
    """Unpack a job and its state."""
    kind: type[Job] = _known(JOBS, message.name, "job")
    try:
        job = kind.from_parameters(_unpack_arrays(message.parameters))
    except KeyError as error:
        raise ValueError(f"job {message.name!r} lacks parameter {error}") from None
    return job, _unpack_arrays(message.state)


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
    job = message.stage.job
    if job not in JOBS or message.stage.sequence < 1 or message.task < 0 or message.number < 1:
        raise ValueError("the attempt is not one that a master makes")
    stage = Stage(message.stage.sequence, job, message.stage.iteration or None, message.stage.epoch)
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
        sha256=source.sha256,
    )


def unpack_input(message: pb.Input) -> Input:
    """Unpack what is known of the input."""
    return Input(
        path=message.path,
        format=_known(_FORMATS, message.format, "input format"),
        delimiter=message.delimiter,
        fields=message.fields,
        columns=tuple(message.columns),
        rows=message.rows,
        size_bytes=message.size_bytes,
        mtime_ns=message.mtime_ns,
        dtype=_known(_FLOAT_TYPES, message.dtype, "float type"),
        sha256=message.sha256,
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
        raise ValueError("the split ends before it starts")
    return Split(
        message.index,
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
    return TaskOptions(
        combine=message.combine,
        keep_iterations=message.keep_iterations,
        delay_s=message.delay_s,
        fail_rate=message.fail_rate,
        seed=message.seed,
        intermediate=_known(_RECORD_FORMATS, message.intermediate, "record format"),
        threads=message.threads,
    )


def pack_file(file: CommittedFile) -> pb.File:
    """Pack what a writer vouches for."""
    return pb.File(size_bytes=file.size_bytes, records=file.records, crc32=file.crc32)


def unpack_file(message: pb.File) -> CommittedFile:
    """Unpack what a writer vouches for."""
    return CommittedFile(message.size_bytes, message.records, message.crc32)


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
        message.task, message.attempt, message.worker, message.address, unpack_file(message.partition)
    )
