"""What an algorithm may ask of an engine."""

from collections.abc import Iterator
from typing import Protocol

from common.jobs.base import Job
from common.model import Buffer, FloatArray, Key, State


class Engine(Protocol):
    """Runs jobs over the whole input; results do not depend on which engine it is."""

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; return, for each key that has records, what its `reduce` returned, shape (m, w).

        `iteration` is the algorithm's, from 1, for jobs that belong to one.
        """

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; yield its records as text, in input order, piece by piece."""
