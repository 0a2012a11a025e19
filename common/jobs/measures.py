"""The jobs that measure how well separated clusters are.

Rows belong to their nearest centroids, state["centroids"], of one or several starts; see
`common.jobs.centroids`. All else is measured from the clusters' means, state["means"], of the same shape. No
cluster is without members.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import check_floats
from common.jobs.centroids import CentroidsJob, starts_of
from common.jobs.lloyd import LloydStep
from common.kernels.exact import SumGrid, round_once, sum_all, sum_by_key
from common.kernels.nearest.distance import nearest, squared_distances
from common.model import Block, FloatArray, IntArray, Key, PointArray, Records, State

_TILE_NUMBERS = 1 << 16
"""Distances that stay in the cache: 512 KiB."""


@dataclass(frozen=True)
class Means(LloydStep):
    """The means of clusters, and their sizes; as a Lloyd step, but no iteration, and always combined."""

    name: ClassVar[str] = "means"
    aggregates: ClassVar[bool] = True
    emits_rows: ClassVar[bool] = False


@dataclass(frozen=True)
class MeasureJob(CentroidsJob):
    """A job that measures clusters from their means: it adds up two numbers of each row.

    Result: for each key one row, the limbs of both sums; `grid` has a column for each.
    """

    grid: SumGrid

    aggregates: ClassVar[bool] = True

    per_cluster: ClassVar[tuple[str, ...]] = ("means",)
    """What its state has for each cluster, beside the centroid."""

    summed: ClassVar[int] = 2
    """How many sums it has for each key."""

    def check(self, state: State, columns: int) -> None:
        """Refuse a state without the means, or whatever else each cluster must have; and another grid."""
        super().check(state, columns)
        if self.grid.columns != self.summed:
            raise ValueError(f"the grid has {self.grid.columns} columns, not {self.summed}")
        shape = state["centroids"].shape
        shapes = {name: shape if name == "means" else shape[:1] for name in self.per_cluster}
        check_floats(state, **shapes)

    def result_shape(self, state: State, columns: int) -> tuple[int, int]:
        """Return the clusters, not fewer than the keys, and the limbs of the sums."""
        return self._keys(state), self.summed * self.grid.limbs

    def clusters(self, state: State) -> Iterator[tuple[int, FloatArray, list[FloatArray]]]:
        """Yield each start's first key, its centroids, and what `per_cluster` names of them."""
        stop = 0
        for first_key, centroids in starts_of(state):
            stop += len(centroids)
            own = slice(stop - len(centroids), stop)
            yield first_key, centroids, [state[name][own] for name in self.per_cluster]

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add up; limbs add without rounding."""
        return sum_all(values.T)[None]

    def sums(self, found: FloatArray) -> FloatArray:
        """Return both sums of each key, rounded once, shape (2, n), of what `reduce` returned for n keys."""
        limbs = found.reshape(-1, self.grid.limbs, self.summed)
        return round_once(limbs.transpose(1, 2, 0).reshape(self.grid.limbs, -1)).reshape(self.summed, -1)

    def _add(self, block: Block, keys: IntArray, numbers: FloatArray, k: int) -> FloatArray:
        """Add up the numbers of a block's rows, shape (n, 2), by key; return k rows of limbs."""
        return sum_by_key(keys, self.grid.cut(numbers).reshape(-1, len(numbers)), k)


@dataclass(frozen=True)
class Dispersion(MeasureJob):
    """Add up how far each cluster's members are from its mean.

    The sums, per cluster: of the squared distances, and of the distances.
    """

    name: ClassVar[str] = "dispersion"

    def map(self, block: Block, state: State) -> Records:
        """Sum up a block, by cluster."""
        parts, points = [], self.points_of(block)
        for first_key, centroids, (means,) in self.clusters(state):
            labels, _ = nearest(points, centroids)
            squared = _squared_to_own(points, labels, means)
            sums = self._add(block, labels, np.column_stack([squared, np.sqrt(squared)]), len(means))
            filled = np.flatnonzero(np.bincount(labels, minlength=len(means)))
            parts.append(Records((filled + first_key).astype(np.int32), sums[filled]))
        return Records.concatenate(parts)


@dataclass(frozen=True)
class Silhouette(MeasureJob):
    """Add up the silhouettes of all rows: (b - a) / max(a, b), for two meanings of a and b.

    Of squared distances, as Spark's ClusteringEvaluator: a is the mean squared distance to the other members
    of the own cluster, b that to the members of another one, where it is least; 0 if there are no other
    members. The mean squared distance of a row to a cluster's members is its squared distance to their mean
    plus their variance, state["variances"]; state["sizes"] are the members' numbers, as float64.

    Simplified (Hruschka et al., "Evolutionary algorithms for clustering gene-expression data", ICDM 2004): a
    is the distance to the own cluster's mean, b that to the nearest other mean.

    The sums, under each start's first key: of both.
    """

    name: ClassVar[str] = "silhouette"
    per_cluster: ClassVar[tuple[str, ...]] = ("means", "variances", "sizes")

    def map(self, block: Block, state: State) -> Records:
        """Sum up a block, by start."""
        parts, points = [], self.points_of(block)
        for first_key, centroids, per_cluster in self.clusters(state):
            labels, _ = nearest(points, centroids)
            for rows, squared in _tiles(points, per_cluster[0]):
                both = _both_silhouettes(squared, labels[rows][None], *per_cluster[1:])
                tile = Block(block.points[rows], block.row_start + rows.start)
                parts.append(Records.of_key(first_key, self._add(tile, np.zeros_like(labels[rows]), both, 1)))
        return Records.concatenate(parts)


def _squared_to_own(points: PointArray, labels: IntArray, means: FloatArray) -> FloatArray:
    """Return each row's squared distance to the mean of its cluster, summed in column order."""
    total = np.zeros(len(points))
    for column, of_mean in zip(points.T, means.T, strict=True):
        total += (column - of_mean[labels]) ** 2
    return total


def _tiles(points: PointArray, means: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
    """Yield some rows at a time, and their squared distances to all means, shape (k, rows)."""
    size = max(256, _TILE_NUMBERS // len(means))
    room = np.empty((2, len(means), min(size, len(points))))
    for start in range(0, len(points), size):
        columns = np.ascontiguousarray(points[start : start + size].T, np.float64)
        rows = slice(start, start + columns.shape[1])
        yield rows, squared_distances(columns, means, room[:, :, : columns.shape[1]])


def _both_silhouettes(
    squared: FloatArray, own: IntArray, variances: FloatArray, sizes: FloatArray
) -> FloatArray:
    """Return both silhouettes of some rows, shape (n, 2), by their squared distances to all means."""
    simplified = _silhouettes(*np.sqrt(_own_and_other(squared, own)))
    mean_own, mean_other = _own_and_other(squared + variances[:, None], own)
    of_squares = _silhouettes(mean_own * _less_oneself(sizes)[own[0]], mean_other)
    of_squares[sizes[own[0]] <= 1] = 0.0
    return np.column_stack([of_squares, simplified])


def _own_and_other(found: FloatArray, own: IntArray) -> FloatArray:
    """Return what was found for each row's own cluster, and the least for any other, shape (2, n).

    `found` has shape (k, n), k at least 2; `own`, shape (1, n), are the clusters.
    """
    of_own = np.take_along_axis(found, own, axis=0)
    others = found.copy()
    np.put_along_axis(others, own, np.inf, axis=0)
    return np.concatenate([of_own, others.min(axis=0, keepdims=True)])


def _less_oneself(sizes: FloatArray) -> FloatArray:
    """Return what turns a mean over all members into one over all but the row itself, if there are others."""
    return sizes / np.where(sizes > 1, sizes - 1, 1.0)


def _silhouettes(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return (b - a) / max(a, b), 0 where both are 0: multiples of 2**-53."""
    greater = np.maximum(a, b)
    ratios = np.minimum(a, b) / np.where(greater == 0, 1.0, greater)
    return np.where(a < b, 1 - ratios, np.where(a > b, ratios - 1, 0.0))
