"""A job's parameters as arrays, for the wire."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from common.jobs.base import Job
from common.kernels.exact import SumGrid


def parameters_of(job: Job) -> dict[str, npt.NDArray[Any]]:
    """Return a job's fields as arrays."""
    fields = dataclasses.fields(job)  # type: ignore[arg-type]  # every concrete job is a dataclass
    return {field.name: _to_array(getattr(job, field.name)) for field in fields}


def job_from(kind: type[Job], arrays: Mapping[str, npt.NDArray[Any]]) -> Job:
    """Undo `parameters_of`; KeyError if one is missing, ValueError if one has not its field's type."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: _from_array(arrays[field.name], field.type) for field in fields})


def _to_array(value: int | float | SumGrid) -> npt.NDArray[Any]:
    if isinstance(value, SumGrid):
        return value.to_array()
    return np.array([value], np.int64 if isinstance(value, int) else np.float64)


def _from_array(array: npt.NDArray[Any], kind: object) -> int | float | SumGrid:
    if kind is SumGrid:
        return SumGrid.from_array(array)
    if array.shape != (1,) or not isinstance(number := array[0].item(), int if kind is int else float):
        raise ValueError(f"a parameter is {array!r} where one {kind} is expected")
    return number
