"""What a job is."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from common.kernels.exact import SumGrid
from common.kernels.grouping import groups, sort_by_key
from common.model import Block, FloatArray, Records, State

Memory: TypeAlias = dict[str, Any]


class Job(ABC):
    """Three pure functions on arrays, run by an engine over the whole input.

    A job is a frozen dataclass whose fields (int, float or SumGrid) are its parameters; they are
    the same on every worker. What changes from call to call is the `state`.
    """

    name: ClassVar[str]
    """What the wire, the log and the folders call it."""

    aggregates: ClassVar[bool] = False
    """True: its map sums up a block in few records, and engines always combine them."""

    emits_rows: ClassVar[bool] = False
    """True: the values of its map are the block's rows, all of them, in order and unchanged, once or more."""

    @abstractmethod
    def map(self, block: Block, state: State) -> Records:
        """Map a block of rows to key-value records."""

    def combine(self, records: Records) -> Records:
        """Merge the records of each key into fewer, without changing what `reduce` makes of them.

        This default serves every job whose `reduce` may be applied to its own results.
        """
        keys, values = [], []
        for key, members in groups(sort_by_key(records)):
            merged = self.reduce(key, members)
            keys.append(np.full(len(merged), key, np.int32))
            values.append(merged)
        return Records(np.concatenate(keys), np.concatenate(values)) if keys else records

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Map and combine a whole split at once, if there is a faster way than one after the other.

        Parameters
        ----------
        rows
            The split's rows.
        state
            As for `map`.
        memory
            Kept beside the split from call to call, for whatever makes the next one faster. It may be
            lost at any time, and never changes the result.

        Returns
        -------
        Records or None
            What `combine` makes of what `map` returns; None to have just that done.
        """
        return None

    @abstractmethod
    def reduce(self, key: int, values: FloatArray) -> FloatArray:
        """Reduce all values of a key, shape (n, w), to the result, shape (m, w')."""

    def parameters(self) -> dict[str, npt.NDArray[Any]]:
        """Return the fields as arrays, for the wire."""
        return {field.name: _to_array(getattr(self, field.name)) for field in self._fields()}

    @classmethod
    def from_parameters(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Undo `parameters`."""
        return cls(**{field.name: _from_array(arrays[field.name], field.type) for field in cls._fields()})

    @classmethod
    def _fields(cls) -> tuple[dataclasses.Field[Any], ...]:
        return dataclasses.fields(cls)  # type: ignore[arg-type]  # every concrete job is a dataclass


def keyed_zero(values: FloatArray) -> Records:
    """Return records that all have key 0."""
    return Records(np.zeros(len(values), np.int32), values)


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
