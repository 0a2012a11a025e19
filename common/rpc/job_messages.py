"""Between a job with its state and the `Job` message; see `messages` for the rest.

A job arrives as a name and arrays. Nothing in it is trusted: sizes are checked before memory is allocated.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import BadRequestError
from common.jobs import find_job
from common.jobs.base import Job, job_from, parameters_of
from common.model import State
from common.rpc.messages import Table
from protos import mapreduce_pb2 as pb

_ELEMENT_TYPES: Table[pb.ElementType.ValueType, np.dtype[Any]] = Table(
    "element type",
    {
        pb.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
        pb.ELEMENT_TYPE_INT64: np.dtype("<i8"),
        pb.ELEMENT_TYPE_INT32: np.dtype("<i4"),
        pb.ELEMENT_TYPE_UINT8: np.dtype("u1"),
    },
)
_MOST_DIMENSIONS = 3
_MOST_NUMBERS = 1 << 28
"""More do not fit into the largest message."""


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


def _pack_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Iterable[pb.Array]:
    for name, array in arrays.items():
        kind = array.dtype.newbyteorder("<")
        data = array.astype(kind).tobytes()
        yield pb.Array(name=name, type=_ELEMENT_TYPES.pack(kind), shape=array.shape, data=data)


def _unpack_arrays(messages: Iterable[pb.Array]) -> dict[str, npt.NDArray[Any]]:
    arrays = {}
    for message in messages:
        kind = _ELEMENT_TYPES.unpack(message.type)
        shape = tuple(message.shape)
        if len(shape) > _MOST_DIMENSIONS or prod(max(size, 1) for size in shape) > _MOST_NUMBERS:
            raise BadRequestError(f"array {message.name!r} has a shape that no job uses")
        data = message.data  # each look at it makes a copy
        if min(shape, default=0) < 0 or prod(shape) * kind.itemsize != len(data):
            raise BadRequestError(f"array {message.name!r} does not have the size of its shape")
        arrays[message.name] = np.frombuffer(data, kind).reshape(shape)
    return arrays
