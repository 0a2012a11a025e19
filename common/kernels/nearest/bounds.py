"""Lloyd's sums: bounds that tell which rows cannot have changed.

Each row keeps its label, an upper bound of the distance to its own centroid and a lower bound of the distance
to any other (Hamerly, "Making k-means even faster", SDM 2010). When centroids move, the bounds move with
them. A row is settled, which means that its label stands, while its upper bound is below its lower bound, or
below half the distance between its own centroid and the nearest other one.

Where all scores of a row take long, more is tried first. The row's distance to its own centroid is measured.
And as often only a few centroids move fast, but lower the bound of every row, some of the fastest are set
aside, first few, then more: scores bound an unsettled row's distance to them anew, and its old
bound falls only by as much as the rest have moved (Ding et al., "Yinyang K-means", ICML 2015, do so with
groups of centroids, each with a bound of its own). The rows that are still unsettled are assigned anew by
scores of all centroids. Only rows whose label changed are subtracted from one cluster's sum and added to
another's; sums are exact, so a subtraction leaves nothing behind.

All bounds are widened by more than rounding can take away, so labels are those of the plain formula. They
are kept in float32, in units of the data's range: 12 bytes a row with the label.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from common.kernels.exact import SumGrid
from common.kernels.limbs import read_only, row_mover
from common.kernels.nearest.members import (
    Members,
    Motion,
    hopeless_first,
    measure,
    motion_between,
    move_bounds,
    no_members,
    settle,
    take_over,
)
from common.kernels.nearest.scores import RowNumbers, Scores
from common.model import FloatArray, LongArray, PointArray

COSTLY_ROW = 1 << 13
"""From so many multiplications for all scores of a row on, it is worth to try more first."""

_CHUNK_ROWS = 1 << 15
_MANY = 0.5
"""If this share of a chunk's rows stays unsettled, most rows of the next will, too."""
_PROBE_EVERY = 8
"""Then no time is spent on measuring rows, but in one of so many chunks."""
_SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Of the centroids, the fastest, that may be set aside."""


class BoundsIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    The points, shape (n, d), n at least 1, are kept, not copied. From `costly_row` multiplications for all
    distances of a row on, the fastest centroids are set aside.
    """

    def __init__(self, points: PointArray, grid: SumGrid, costly_row: int = COSTLY_ROW) -> None:
        self.grid = grid
        self._costly_row = costly_row
        self._points = read_only(points)
        self._constants = grid.constants
        self._move = row_mover(grid.columns, grid.limbs)
        self._offset = points[: 1 << 10].mean(axis=0, dtype=np.float64)
        self._unsettled = np.empty(_CHUNK_ROWS, np.uint32)
        self._moves = np.empty((3, _CHUNK_ROWS), np.uint32)
        self._starts: dict[int, _Start] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """See `ClusterIndex`."""
        centroids = read_only(centroids)
        k, d = centroids.shape
        way = self._starts.get(start)
        if way is None or len(way.members.counts) != k:
            scores = Scores(d, k, max(self.grid.top), self._offset)
            scores.set_centroids(centroids)
            way = _Start(no_members(len(self._points), k, self.grid.limbs * d), scores, centroids)
            for chunk in self._chunks():
                self._assign(way, chunk)
            self._starts[start] = way
        else:
            costly = k * d >= self._costly_row
            motion = motion_between(
                way.centroids, centroids, way.scores.frame.scale, _SHARES if costly else ()
            )
            self._follow(way, motion, costly)
        way.centroids = centroids.copy()
        return way.members.counts.copy(), way.members.sums.copy()

    def _follow(self, start: "_Start", motion: Motion, costly: bool) -> None:
        """Take members from the last centroids to new ones."""
        start.scores.set_centroids(motion.centroids)
        many = False
        for number, chunk in enumerate(self._chunks()):
            rows = self._move_bounds(start, motion, chunk)
            if costly and (not many or number % _PROBE_EVERY == 0):
                rows = self._settle(start.members, start.scores, motion, rows)
            many = len(rows) > _MANY * len(chunk)
            self._assign(start, rows)

    def _chunks(self) -> Iterator[RowNumbers]:
        n = len(self._points)
        for start in range(0, n, _CHUNK_ROWS):
            yield np.arange(start, min(n, start + _CHUNK_ROWS), dtype=np.uint32)

    def _move_bounds(self, start: "_Start", motion: Motion, chunk: RowNumbers) -> RowNumbers:
        """Move the bounds of a chunk's rows with the centroids; return the rows that they do not settle."""
        first, rows = int(chunk[0]), self._unsettled
        return rows[: move_bounds(start.members, motion, first, first + len(chunk), rows)]

    def _settle(self, members: Members, scores: Scores, motion: Motion, rows: RowNumbers) -> RowNumbers:
        """Settle rows by their distance to their own centroid; return those still unsettled.

        That is worth its time only where all scores of a row take much more.
        """
        rows = rows[: measure(self._points, rows, members, motion)]
        for choice in range(len(motion.firsts)):
            rows = self._settle_slower(members, scores, motion, choice, rows)
        return rows

    def _settle_slower(
        self, members: Members, scores: Scores, motion: Motion, choice: int, rows: RowNumbers
    ) -> RowNumbers:
        """Look only at some of the fastest centroids where that may do; return the rows still unsettled."""
        aside = motion.order[: motion.firsts[choice]]
        left = hopeless_first(rows, members, motion, choice)
        for block in _blocks(rows[left:].copy(), scores.rows):
            fast = scores.bound_others(self._points, block, members.labels[block], aside)
            left = settle(block, fast, members, motion, choice, rows, left)
        return rows[:left]

    def _assign(self, start: "_Start", rows: RowNumbers) -> None:
        """Find the rows' labels and bounds anew; move rows with another label from sum to sum."""
        members, scores = start.members, start.scores
        for block in _blocks(rows, scores.rows):
            scores.assign(self._points, block)
            moved, old, new = self._moves[:, : take_over(block, scores.found, members, self._moves)]
            self._move(self._points, moved, old, new, self._constants, members.sums)


def _blocks(rows: RowNumbers, size: int) -> Iterator[RowNumbers]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@dataclass
class _Start:
    """One of several ways through the points, and its last centroids."""

    members: Members
    scores: Scores
    centroids: FloatArray
