"""What a job is, and what an algorithm may ask of an engine."""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from common.kernels.exact import SumGrid
from common.kernels.grouping import groups, sort_by_key
from common.model import Block, Buffer, FloatArray, Key, KeyType, Records, State

Memory: TypeAlias = dict[str, Any]

Meter: TypeAlias = Callable[[], tuple[float, float, float]]
"""Tells the time, the CPU time of this process, both in seconds, and its greatest memory until now, in MB."""

JOBS: dict[str, type["Job"]] = {}
"""All jobs that were imported, by name; see `common.jobs.find_job`."""


class Job(ABC):
    """Two pure functions on arrays, `map` and `reduce`, run by an engine over the whole input.

    A job is a frozen dataclass with a `name`. Its fields (int, float or SumGrid) are its parameters; they
    are the same on every worker. What changes from call to call is the `state`.

    All else has a default. What a job reads and emits: `reads_lines`, `reads_tables`, `key_type`; what it
    cannot work with: `check`. What makes it faster, and changes no result: `combine`, `summarize`,
    `reduce_runs`, `aggregates`, `emits_rows`, `maps_at_once`, `takes_float32`, `takes_sparse`.
    What goes beside output files: `counts`.
    """

    name: ClassVar[str]
    """What the wire, the log and the folders call it."""

    reads_lines: ClassVar[bool] = False
    """True: its blocks hold lines of text, not numbers."""

    reads_tables: ClassVar[bool] = False
    """True: its blocks hold a `Table`, of numbers and texts."""

    key_type: ClassVar[KeyType] = int
    """What its keys are: int, from 0 and less than 2**31, or str."""

    aggregates: ClassVar[bool] = False
    """True: its map sums up a block in few records, and engines always combine them."""

    emits_rows: ClassVar[bool] = False
    """True: the values of its map are the block's rows, all of them, in order and unchanged, once or more."""

    counts: ClassVar[bool] = False
    """True: the last column of what `reduce` returns is a number for people, which output files leave out."""

    maps_at_once: ClassVar[bool] = False
    """True: `summarize` is tried though nothing is combined; it returns what `map` would."""

    takes_float32: ClassVar[bool] = False
    """True: its blocks hold numbers as the input is kept, which may be in float32. Other jobs get float64.
    It computes in float64 all the same, and so do the jobs that inherit from it."""

    takes_sparse: ClassVar[bool] = False
    """True: its blocks may hold `SparseRows`. Other jobs get them dense, in many small blocks."""

    alone: ClassVar[bool] = False
    """True: its map needs all rows of a split at once. The engine adds to each record what it took: seconds,
    CPU seconds, and the greatest memory that its process has had until then, in MB."""

    beside_point: ClassVar[int | None] = None
    """Of a job whose result is one key, 0, with points: how many numbers stand before each point."""

    def __init_subclass__(cls) -> None:
        """Take a job, once it has a name, into `JOBS`; TypeError if another job has this name."""
        if "name" not in vars(cls):
            return
        known = JOBS.get(cls.name, cls)
        if (known.__module__, known.__name__) != (cls.__module__, cls.__name__):
            raise TypeError(f"two jobs are called {cls.name!r}: {known} and {cls}")
        JOBS[cls.name] = cls

    @abstractmethod
    def map(self, block: Block, state: State) -> Records:
        """Map a block of rows to key-value records."""

    @abstractmethod
    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Reduce all values of a key, shape (n, w), to the result, shape (m, w')."""

    def reduce_runs(self, runs: Sequence[Records]) -> Records:
        """Merge runs that are each sorted by key, and reduce each key.

        A job whose keys may be many can do it faster than one after the other.
        """
        parts = [Records.of_key(key, self.reduce(key, values)) for key, values in groups(*runs)]
        return Records.concatenate([*parts, Records.empty(self.key_type)])

    def check(self, state: State, columns: int) -> None:  # noqa: B027
        """Raise ValueError if `map` cannot work with a state, or with rows of so many columns.

        A mapper calls it with what came over the wire, whose numbers are finite.
        """

    def result_shape(self, state: State, columns: int) -> tuple[int, int] | None:
        """Return how many keys a result has at most, and how wide it is; None: any.

        A master takes no other result from a reducer. `columns` are the input's.
        """
        return None if self.beside_point is None else (1, columns + self.beside_point)

    def combine(self, records: Records) -> Records:
        """Merge the records of each key into fewer, without changing what `reduce` makes of them.

        This default serves every job whose `reduce` may be applied to its own results.
        """
        grouped = groups(sort_by_key(records))
        merged = [Records.of_key(key, self.reduce(key, values)) for key, values in grouped]
        return Records.concatenate(merged) if merged else records

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records | None:
        """Map and combine a whole split at once, if there is a faster way than one after the other.

        Return what `combine` makes of what `map` returns, or None to have just that done. `memory` is kept
        beside the split from call to call, for whatever makes the next one faster. It may be lost at any
        time, and never changes the result.
        """
        return None


def check_floats(state: State, **shapes: tuple[int, ...]) -> None:
    """Raise ValueError if an array of the state, given by name, is not one of float64 in that shape."""
    for name, shape in shapes.items():
        if state[name].dtype != np.float64 or state[name].shape != shape:
            raise ValueError(f"{name} is not an array of float64 in shape {shape}")


class Engine(Protocol):
    """Runs jobs over the whole input; results do not depend on which engine it is."""

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; return, for each key that has records, what its `reduce` returned, shape (m, w).

        `iteration` is the algorithm's, from 1, for jobs that belong to one.
        """

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; yield its records as text, in input order, piece by piece."""


def parameters_of(job: Job) -> dict[str, npt.NDArray[Any]]:
    """Return a job's parameters as arrays, for the wire."""
    fields = dataclasses.fields(job)  # type: ignore[arg-type]  # every concrete job is a dataclass
    values = {field.name: getattr(job, field.name) for field in fields}
    return {name: v.to_array() if isinstance(v, SumGrid) else np.array([v]) for name, v in values.items()}


def job_from(kind: type[Job], arrays: Mapping[str, npt.NDArray[Any]]) -> Job:
    """Undo `parameters_of`; KeyError if one is missing, ValueError if one has not its field's type."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return kind(**{field.name: _from_array(arrays[field.name], field.type) for field in fields})


def _from_array(array: npt.NDArray[Any], kind: object) -> int | float | SumGrid:
    if kind is SumGrid:
        return SumGrid.from_array(array)
    if array.shape != (1,) or not isinstance(number := array[0].item(), int if kind is int else float):
        raise ValueError(f"a parameter is {array!r} where one {kind} is expected")
    return number
