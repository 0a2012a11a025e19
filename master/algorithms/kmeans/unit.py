"""The unit in which rows are clustered: the input's, or one in which every column has variance 1."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from common.jobs.base import Engine, Job
from common.jobs.entry import entry_state, in_unit
from common.jobs.measures import Means
from common.jobs.rows import SquaredDeviationsOfRows
from common.kernels.exact import round_once
from common.model import Buffer, FloatArray, Key, State
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.score import Ranges, describe


class Unit:
    """The input's own unit: rows enter as they are."""

    def on(self, engine: Engine) -> Engine:
        """Return the engine whose jobs see rows in this unit."""
        return engine

    def state_of(self, state: State) -> State:
        """Add to a job's state what makes its rows enter in this unit."""
        return state

    def enter(self, points: FloatArray) -> FloatArray:
        """Take points from the input's unit to this one."""
        return points

    def restore(self, points: FloatArray) -> FloatArray:
        """Take points from this unit to the input's."""
        return points


INPUT_UNIT = Unit()


@dataclass(frozen=True)
class Standardised(Unit):
    """Each column less its mean, in multiples of its standard deviation; both of shape (d,).

    Both come from exact sums; the deviation is the root of the variance by the number of rows, as that of
    scikit-learn's StandardScaler. A constant column is only moved.
    """

    means: FloatArray
    deviations: FloatArray

    def on(self, engine: Engine) -> Engine:
        """See `Unit`."""
        return _InUnit(engine, self)

    def state_of(self, state: State) -> State:
        """See `Unit`."""
        return {**state, **entry_state(self.means, self.deviations)}

    def enter(self, points: FloatArray) -> FloatArray:
        """See `Unit`."""
        return in_unit(points, self.means, self.deviations)

    def restore(self, points: FloatArray) -> FloatArray:
        """See `Unit`."""
        return points * self.deviations + self.means


@dataclass(frozen=True)
class _InUnit(Engine):
    """An engine whose rows enter in a unit."""

    engine: Engine
    unit: Unit

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        return self.engine.map_reduce(job, self.unit.state_of(state), iteration)

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        return self.engine.map_only(job, self.unit.state_of(state))


def choose_unit(engine: Engine, rows: int, config: KMeansConfig) -> Unit:
    """Return the unit that a configuration asks for."""
    return standardise(engine, describe(engine, rows)) if config.scale else INPUT_UNIT


def config_in(unit: Unit, config: KMeansConfig) -> KMeansConfig:
    """Return a configuration whose given centroids are in a unit."""
    return config if config.initial is None else replace(config, initial=unit.enter(config.initial))


def standardise(engine: Engine, ranges: Ranges) -> Standardised:
    """Measure the means and the deviations of an input's columns."""
    low, high = np.array(ranges.lowest), np.array(ranges.highest)
    all_rows = engine.map_reduce(Means(ranges.column_grid()), {"centroids": low[None]})[0]
    means = np.ascontiguousarray(all_rows[0, :-1])
    job = SquaredDeviationsOfRows(ranges.deviation_grid(means))
    limbs = engine.map_reduce(job, {"means": means})[0]
    deviations = np.sqrt(round_once(limbs.reshape(job.grid.limbs, -1)) / ranges.rows)
    return Standardised(means, np.where((low == high) | (deviations == 0), 1.0, deviations))
