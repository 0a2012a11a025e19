"""The unit in which rows are clustered: the input's, one in which columns have variance 1, or directions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from common.jobs.base import Engine, Job
from common.jobs.entry import DIRECTIONS, Entry, directions, enter, scaling
from common.jobs.measures import Means
from common.jobs.rows import SquaredDeviationsOfRows
from common.kernels.exact import round_once
from common.model import Buffer, FloatArray, Key, State
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.score import Ranges, describe


class Unit:
    """The input's own unit: rows enter as they are."""

    @property
    def entry(self) -> Entry:
        """What a job's state needs for rows to enter in this unit."""
        return {}

    def on(self, engine: Engine) -> Engine:
        """Return the engine whose jobs see rows in this unit."""
        return _InUnit(engine, self)

    def enter(self, points: FloatArray) -> FloatArray:
        """Take points from the input's unit to this one."""
        return enter(points, self.entry)

    def restore(self, points: FloatArray) -> FloatArray:
        """Take centroids from this unit to the input's."""
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

    @property
    def entry(self) -> Entry:
        """See `Unit`."""
        return scaling(self.means, self.deviations)

    def restore(self, points: FloatArray) -> FloatArray:
        """See `Unit`."""
        return points * self.deviations + self.means


@dataclass(frozen=True)
class Directions(Unit):
    """Rows of another unit, each divided by its length; centroids are, too, when they come back."""

    of: Unit

    @property
    def entry(self) -> Entry:
        """See `Unit`."""
        return self.of.entry | DIRECTIONS

    def restore(self, points: FloatArray) -> FloatArray:
        """See `Unit`."""
        return self.of.restore(directions(points))


@dataclass(frozen=True)
class _InUnit(Engine):
    """An engine whose rows enter in a unit."""

    engine: Engine
    unit: Unit

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        return self.engine.map_reduce(job, {**state, **self.unit.entry}, iteration)

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        return self.engine.map_only(job, {**state, **self.unit.entry})


def choose_unit(engine: Engine, rows: int, config: KMeansConfig) -> Unit:
    """Return the unit that a configuration asks for."""
    unit = standardise(engine, describe(engine, rows)) if config.scale else INPUT_UNIT
    return Directions(unit) if config.metric == "cosine" else unit


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
