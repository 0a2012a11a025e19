"""Lloyd's sums: bounds that tell which rows cannot have changed.

Each row keeps its label, an upper bound of the distance to its own centroid, and the gap from there to a
lower bound of the distance to any other (Hamerly, "Making k-means even faster", SDM 2010). When centroids
move, an upper bound grows by as much as its own centroid has moved, and the gap closes by that and by as much
as any other one has moved. A row is settled, which means that its label stands, while its gap is not closed,
or while its upper bound is below half the distance between its own centroid and the nearest other one.

The rows that are not settled are assigned anew by scores of all centroids. Only rows whose label changed
are subtracted from one cluster's sum and added to another's; sums are exact, so a subtraction leaves nothing
behind.

All bounds are widened by more than rounding can take away, so labels are those of the plain formula. They
are kept in float32, in units of the data's range: 12 bytes a row with the label.
"""

from dataclasses import dataclass

import numpy as np

from common.kernels.compiling import kernel
from common.kernels.exact import SumGrid
from common.kernels.limbs import move_rows, read_only
from common.kernels.nearest.members import (
    Members,
    Motion,
    Room,
    further,
    list_unsettled,
    no_members,
    no_motion,
    take_over,
)
from common.kernels.nearest.scores import Scores, find_nearest
from common.model import FloatArray, IntArray, LongArray, PointArray

_LOOK_ROWS = 1 << 10
"""Rows whose bounds are looked at, one after the other, before the unsettled ones among them are counted."""

_ENOUGH_ROWS = 1 << 11
"""So many unsettled rows, or nearly `_LOOK_ROWS` more, are a batch: they stay in a core's second cache."""

_MOST_CLOSING = 4.0
"""If gaps have closed by more, in units of the data's range, float32 keeps too few digits of them."""


class BoundsIndex:
    """Finds the sums of every cluster's members, fast if the centroids are near the last ones.

    The points, shape (n, d), n at least 1, are kept, and not copied if they are contiguous.
    """

    def __init__(self, points: PointArray, grid: SumGrid) -> None:
        self.grid = grid
        self._points = read_only(points if points.flags.c_contiguous else points.copy())
        self._constants = grid.constants
        self._offset = points[: 1 << 10].mean(axis=0, dtype=np.float64)
        self._room = Room(*np.empty((4, _ENOUGH_ROWS + _LOOK_ROWS), np.uint32))
        self._ways: dict[int, _Way] = {}

    def cluster_sums(self, centroids: FloatArray, start: int = 0) -> tuple[LongArray, FloatArray]:
        """Return each cluster's number of members, shape (k,), and the limbs of their sum, (k, limbs * d).

        `start` tells apart several ways of centroids through the points.
        """
        members = self._members_at(read_only(centroids), start)
        return members.counts.copy(), members.sums.copy()

    def labels(self, centroids: FloatArray) -> IntArray | None:
        """Return each row's nearest centroid, if there were as many centroids before; those near do best."""
        far = {
            start: np.abs(way.centroids - centroids).max()
            for start, way in self._ways.items()
            if way.centroids.shape == centroids.shape
        }
        if not far:
            return None
        return self._members_at(read_only(centroids), min(far, key=far.__getitem__)).labels.astype(np.int32)

    def move(
        self, rows: LongArray, keys: LongArray, counts: LongArray, sums: FloatArray, start: int = 0
    ) -> None:
        """Take some rows, each once, to other clusters: in what `cluster_sums` has returned, not in here."""
        old, new = self._ways[start].members.labels[rows], keys.astype(np.uint32)
        np.subtract.at(counts, old, 1)
        np.add.at(counts, new, 1)
        move_rows(self._points, rows.astype(np.uint32), old, new, self._constants, sums)

    def _members_at(self, centroids: FloatArray, start: int) -> Members:
        """Let a way go on to centroids, or begin there."""
        way = self._ways.get(start)
        if way is None or way.centroids.shape != centroids.shape:
            way = self._ways[start] = self._begin(centroids)
        elif not np.array_equal(way.centroids, centroids):
            self._follow(way, centroids)
        return way.members

    def _begin(self, centroids: FloatArray) -> "_Way":
        k, d = centroids.shape
        scores = Scores(d, max(self.grid.top), self._offset)
        scores.set_centroids(centroids)
        members = no_members(len(self._points), k, self.grid.limbs * d)
        way = _Way(members, scores, centroids.copy(), no_motion(k))
        self._assign(way, every_row=True)
        return way

    def _follow(self, way: "_Way", centroids: FloatArray) -> None:
        way.motion = further(way.motion, way.centroids, centroids, way.scores.frame.scale)
        way.scores.set_centroids(centroids)
        way.centroids = centroids.copy()
        far = not way.motion.closings.max() < _MOST_CLOSING
        if far:
            way.motion = no_motion(len(centroids))
        self._assign(way, every_row=far)

    def _assign(self, way: "_Way", *, every_row: bool) -> None:
        """Find labels and bounds anew of rows that are not settled; move rows from sum to sum."""
        scores, start = way.scores, 0
        while start < len(self._points):
            start, needs_double = _reassign(
                *(self._points, start, every_row, way.members, way.motion),
                *(scores.prepared, scores.found, self._room, self._constants),
            )
            if needs_double:
                scores.take_double()


@kernel
def _reassign(points, start, every_row, members, motion, prepared, found, room, constants):  # type: ignore[no-untyped-def]
    """Go on with a step from the row `start`, batch by batch, without Python's lock.

    Return where it stopped, and whether float32 leaves too many rows in doubt: it stops when that is so.
    """
    needs_double = False
    while start < len(points) and not needs_double:
        count = 0
        while start < len(points) and count < _ENOUGH_ROWS:
            stop = min(len(points), start + _LOOK_ROWS)
            count += list_unsettled(members, motion, start, stop, every_row, room.unsettled[count:])
            start = stop
        rows = room.unsettled[:count]
        needs_double = find_nearest(points, rows, prepared, found)
        moved = take_over(rows, found, members, motion, room)
        move_rows(points, room.moved[:moved], room.old[:moved], room.new[:moved], constants, members.sums)
    return start, needs_double


@dataclass
class _Way:
    """One of several ways of centroids through the points."""

    members: Members
    scores: Scores
    centroids: FloatArray  # the last ones
    motion: Motion  # since the members' bounds began
