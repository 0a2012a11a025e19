"""What an algorithm may ask of an engine."""

from collections.abc import Iterator
from typing import Protocol

from common.jobs.base import Job
from common.model import Buffer, FloatArray, Key, State


class Engine(Protocol):
    """Runs jobs over the whole input; results do not depend on which engine it is."""

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job.

        Parameters
        ----------
        job, state
            What to run, and what it needs to know.
        iteration
            The algorithm's iteration, from 1, for jobs that belong to one.

        Returns
        -------
        dict
            For each key that has records, what the job's `reduce` returned, shape (m, w).
        """

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; yield its records as text, in input order, piece by piece."""
