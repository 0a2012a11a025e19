"""What the files must hold: one iteration of K-Means, computed in the plainest way from the input."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from common.errors import InputError
from common.events.catalogue.kmeans import Centroid, EmptyCluster
from common.formats.columns import ColumnChoice
from common.formats.dataset import open_input
from common.formats.layout import TextOptions
from common.kernels.exact import SumGrid
from common.model import FloatArray, FloatType, IntArray, Records
from master.engines.inline import load_rows
from master.teaching.finished import FinishedRun


@dataclass(frozen=True)
class Oracle:
    """The input's rows, and what the iteration made of them, by start, counted from 0.

    `rows` have shape (n, d), the centroids `before` the iteration shape (k, d), `keys` shape (n,).
    """

    rows: FloatArray
    before: Mapping[int, FloatArray]
    keys: Mapping[int, IntArray]

    def records(self, rows: range) -> Records:
        """Return what a map task must write for these rows, uncombined."""
        some = slice(rows.start, rows.stop)
        keys = np.concatenate([keys[some] for keys in self.keys.values()])
        return Records(keys, np.tile(self.rows[some], (len(self.keys), 1)))

    @cached_property
    def members(self) -> Mapping[int, FloatArray]:
        """The rows of each cluster that has any, by its key."""
        found = self.records(range(len(self.rows)))
        return {int(key): found.values[found.keys == key] for key in np.unique(found.keys)}

    @cached_property
    def grid(self) -> SumGrid:
        """How a combiner cuts sums, so that they are exact."""
        magnitudes = np.abs(self.rows)
        smallest = np.where(magnitudes == 0, np.inf, magnitudes).min(axis=0)
        smallest[np.isinf(smallest)] = 0
        return SumGrid.covering(magnitudes.max(axis=0).tolist(), smallest.tolist(), len(self.rows))

    def uncut(self, partials: FloatArray) -> FloatArray:
        """Return the numbers that add up to the sums in combined records, shape (n, limbs, d)."""
        units = self.grid.units
        limbs: FloatArray = np.ldexp(partials[:, 1:].reshape(-1, *units.shape), units)
        return limbs


def exact_sums(points: FloatArray) -> list[float]:
    """Return the exact sum of each column, rounded once."""
    return list(map(math.fsum, points.T.tolist()))


def mean(members: FloatArray) -> list[float]:
    """Return a centroid: for each column the exact sum, rounded once, divided by the count."""
    return [total / len(members) for total in exact_sums(members)]


def squared_distances(rows: FloatArray, centroid: FloatArray) -> FloatArray:
    """Add the squared differences, column by column, in their order."""
    total: FloatArray = np.zeros(len(rows))
    for column, at in zip(rows.T, centroid, strict=True):
        total = total + (column - at) ** 2
    return total


def nearest(rows: FloatArray, centroids: FloatArray) -> IntArray:
    """Return the index of each row's nearest centroid; of several, the lowest."""
    labels, least = np.zeros(len(rows), np.int32), np.full(len(rows), np.inf)
    for label, centroid in enumerate(centroids):
        squared = squared_distances(rows, centroid)
        nearer = squared < least
        labels[nearer], least[nearer] = label, squared[nearer]
    return labels


def consult(run: FinishedRun) -> Oracle:
    """Read the input again and compute the last iteration; InputError if it is not what the run has read."""
    rows = _read_rows(run)
    logged = centroids_before(run)
    before = {number_of(start): logged[number_of(start)] for start in run.starts}
    keys = {start: nearest(rows, centroids) + np.int32(start * run.k) for start, centroids in before.items()}
    for event in run.of_iteration(EmptyCluster):
        if event.row is not None:
            start = number_of(event.start)
            keys[start][event.row - 1] = start * run.k + event.key
    return Oracle(rows, before, keys)


def number_of(start: int | None) -> int:
    """Return which start an event is about, from 0."""
    return (start or 1) - 1


def centroids_before(run: FinishedRun) -> dict[int, FloatArray]:
    """Return each start's newest centroids from before the last iteration, as dump.txt has them."""
    found: dict[int, dict[int, list[float]]] = {}
    for event in run.of(Centroid):
        if event.iteration < run.iteration:
            values = list(map(float, event.value.split(",")))
            found.setdefault(number_of(event.start), {})[event.key] = values
    return {start: np.array([by_key[key] for key in sorted(by_key)]) for start, by_key in found.items()}


def _read_rows(run: FinishedRun) -> FloatArray:
    started, settings = run.started, run.settings
    dtype = FloatType(started.dtype or FloatType.FLOAT64)
    columns = ColumnChoice(settings.get("columns"), ids=settings.get("id"))
    file = open_input(started.input, columns, dtype, _text_options(settings))
    rows = np.asarray(load_rows(file), np.float64)
    if rows.shape != (started.rows, started.columns):
        now, then = (f"{n:,} rows of {d} columns" for n, d in (rows.shape, (started.rows, started.columns)))
        raise InputError.at(started.input, f"it has {now} now, and had {then} in the run")
    return rows


def _text_options(settings: Mapping[str, str]) -> TextOptions:
    """Take how a text was read from a run's settings."""
    given: dict[str, Any] = {
        field.name: settings[field.name] for field in fields(TextOptions) if field.name in settings
    }
    return TextOptions(**given | {"skip_rows": int(settings.get("skip_rows", 0))})


def shown(values: Sequence[float] | FloatArray, most: int = 8) -> str:
    """Show a point, of many columns the first ones."""
    numbers = [repr(float(value)) for value in values[:most]]
    return f"({', '.join(numbers)}{', ...' if len(values) > most else ''})"
