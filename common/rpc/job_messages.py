"""Between a job with its state and the `Job` message; see `messages` for the rest.

A job arrives as a name and arrays. Nothing of it is trusted: sizes are checked before memory is taken.
"""

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import BadRequestError
from common.jobs import JOBS
from common.jobs.base import Job
from common.jobs.centroids import LloydStep, Score
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import State
from common.rpc.checks import Table
from protos import mapreduce_pb2 as pb

_JOBS = Table("job", JOBS)
_ELEMENT_TYPES: Table[pb.ElementType.ValueType, np.dtype[Any]] = Table(
    "element type",
    {
        pb.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
        pb.ELEMENT_TYPE_INT64: np.dtype("<i8"),
        pb.ELEMENT_TYPE_INT32: np.dtype("<i4"),
    },
)
_MOST_KEYS = (1 << 31) - 1
_MOST_DIMENSIONS = 3
_MOST_NUMBERS = 1 << 28
"""What the largest message has room for."""


def pack_job(job: Job, state: State) -> pb.Job:
    """Pack a job and its state."""
    return pb.Job(name=job.name, parameters=_pack_arrays(job.parameters()), state=_pack_arrays(state))


def unpack_job(message: pb.Job) -> tuple[Job, State]:
    """Unpack a job and its state."""
    kind = _JOBS.unpack(message.name)
    try:
        job = kind.from_parameters(_unpack_arrays(message.parameters))
    except KeyError as error:
        raise BadRequestError(f"job {message.name!r} lacks parameter {error}") from None
    except ValueError as error:
        raise BadRequestError(f"job {message.name!r}: {error}") from None
    state = _unpack_arrays(message.state)
    for name, array in state.items():
        if not np.isfinite(array).all():
            raise BadRequestError(f"state {name!r} holds a number that is not finite")
    if "centroids" in state:
        _check_centroids(state["centroids"])
    return job, state


def check_width(job: Job, state: State, columns: int) -> None:
    """Refuse centroids and grids that are not as wide as the rows: compiled code takes their word."""
    grids = {LloydStep: columns, Score: 1}
    if isinstance(job, LloydStep | Score) and job.grid.columns != grids[type(job)]:
        raise BadRequestError(f"the grid has {job.grid.columns} columns, the input {columns}")
    if "centroids" in state and (width := state["centroids"].shape[-1]) != columns:
        raise BadRequestError(f"the centroids have {width} columns, the input {columns}")


def _check_centroids(centroids: npt.NDArray[Any]) -> None:
    """Refuse what is no (k, d) or (starts, k, d) of float64 with a key for each."""
    shape = centroids.shape
    if centroids.dtype != np.float64 or len(shape) < 2 or 0 in shape or prod(shape[:-1]) > _MOST_KEYS:
        raise BadRequestError("the centroids are not an array of centroids")
    if max(centroids.max(), -centroids.min()) > LARGEST_MAGNITUDE:
        raise BadRequestError("a centroid is larger than any point may be")


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
