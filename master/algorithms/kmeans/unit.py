"""The unit in which rows are clustered: the input's, one in which columns have variance 1, or directions."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from common.jobs.base import Engine, Job
from common.jobs.entry import Entry, directions, enter, of_length_one, scaling
from common.model import Buffer, FloatArray, Key, PointArray, State
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.score import Ranges
from master.algorithms.kmeans.weights import ranges_of


class Unit:
    """The input's own unit: rows enter as they are."""

    @property
    def entry(self) -> Entry:
        """What a job's state needs for rows to enter in this unit."""
        return {}

    def on(self, engine: Engine) -> Engine:
        """Return the engine whose jobs see rows in this unit."""
        return _InUnit(engine, self)

    def enter(self, points: PointArray) -> FloatArray:
        """Take points from the input's unit to this one."""
        return enter(points, self.entry)

    def restore(self, points: FloatArray) -> FloatArray:
        """Take centroids from this unit to the input's."""
        return points


INPUT_UNIT = Unit()


@dataclass(frozen=True)
class Standardised(Unit):
    """Each column less its mean, in multiples of its standard deviation; both of shape (d,).

    Both come from exact sums; the deviation is the root of the variance by the number of rows, or by their
    weight, as that of scikit-learn's StandardScaler. A constant column is only moved.
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
    """Rows of another unit and of so many columns, each divided by its length; so are centroids, restored."""

    of: Unit
    columns: int

    @property
    def entry(self) -> Entry:
        """See `Unit`."""
        return self.of.entry | of_length_one(self.columns)

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


def choose_unit(engine: Engine, rows: int, columns: int, config: KMeansConfig) -> Unit:
    """Return the unit that a configuration asks for, of an input of so many rows and columns to cluster."""
    unit = INPUT_UNIT
    if config.scale:
        unit = standardise(engine, ranges_of(engine, rows, config.weights))
    return Directions(unit, columns) if config.metric == "cosine" else unit


def config_in(unit: Unit, config: KMeansConfig) -> KMeansConfig:
    """Return a configuration whose given centroids are in a unit."""
    given = config.initial  # perhaps of several starts
    if given is None:
        return config
    entered = unit.enter(given.reshape(-1, given.shape[-1]))
    return replace(config, initial=entered.reshape(given.shape))


def standardise(engine: Engine, ranges: Ranges) -> Standardised:
    """Measure the means and the deviations of an input's columns."""
    low, high = np.array(ranges.lowest), np.array(ranges.highest)
    all_rows = engine.map_reduce(ranges.means(), {"centroids": low[None]})[0][0]
    means, size = np.ascontiguousarray(all_rows[:-1]), all_rows[-1]
    job = ranges.deviations(means)
    deviations = np.sqrt(job.sums(engine.map_reduce(job, {"means": means})[0]) / size)
    return Standardised(means, np.where((low == high) | (deviations == 0), 1.0, deviations))
