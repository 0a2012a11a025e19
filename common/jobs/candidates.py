"""The jobs of k-means||: weigh the candidates, and draw more; state["centroids"] are the candidates.

From round to round candidates are only added. So each row's nearest one is kept beside the split, and
compared with new ones only.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Memory
from common.jobs.centroids import KEPT_OF_START, CentroidsJob, Score, centroids_of, starts_of
from common.kernels.draws import uniforms
from common.kernels.nearest.distance import nearest, nearest_below
from common.model import Block, FloatArray, IntArray, Key, PointArray, Records, State

_PIECE_NUMBERS = 1 << 21


@dataclass(frozen=True)
class WeighCandidates(Score):
    """Measure the candidates of one start, as `Score` does."""

    name: ClassVar[str] = "weigh"

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records:
        """Compare the rows with new candidates only."""
        ((first_key, candidates),) = starts_of(state)
        found = _nearest_so_far(self.points_of(rows), candidates, memory)
        return self.measure(first_key, rows, candidates, *found)


@dataclass(frozen=True)
class SampleRows(CentroidsJob):
    """One round of k-means||: draw each row with a probability proportional to its squared distance.

    Bahmani et al., "Scalable k-means++" (PVLDB 5, 2012), step 4: row i is drawn, independently of
    the others, with probability min(1, oversampling * d2(i) / cost). Each row's draw comes from a
    counter-based generator keyed by (seed, round) at position i, so splits don't matter.

    state["cost"], float64, shape (1,): the sum of all squared distances to state["centroids"].

    Result: under key 0, rows of (row index, point), by row index.
    """

    seed: int
    round: int
    oversampling: float

    name: ClassVar[str] = "sample"
    beside_point: ClassVar[int | None] = 1
    aggregates: ClassVar[bool] = True
    takes_sparse: ClassVar[bool] = True

    def map(self, block: Block, state: State) -> Records:
        """Draw from a block."""
        return self._draw(block, nearest(self.points_of(block), centroids_of(state))[1], state)

    def summarize(self, rows: Block, state: State, memory: Memory) -> Records:
        """Take the distances that are known from the last weighing."""
        _, squared = _nearest_so_far(self.points_of(rows), centroids_of(state), memory)
        drawn = []
        for piece in _pieces(rows.points):
            block = Block(rows.points[piece], rows.row_start + piece.start)
            drawn.append(self._draw(block, squared[piece], state))
        return Records.concatenate(drawn)

    def _draw(self, block: Block, squared: FloatArray, state: State) -> Records:
        draws = uniforms(self.seed, self.round, block.row_start, len(squared))
        drawn = np.flatnonzero(draws * state["cost"] < self.oversampling * self._pull(block, squared))
        return Records.of_key(
            0, np.column_stack([block.row_start + drawn, self.points_of(block).take(drawn, axis=0)])
        )

    def _pull(self, _block: Block, squared: FloatArray) -> FloatArray:
        """Return what a row's probability is proportional to."""
        return squared

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Put the drawn rows in order; if they are, they are not copied."""
        rows = values[:, 0]
        return values if (rows[1:] > rows[:-1]).all() else values[np.argsort(rows)]


def _nearest_so_far(
    points: PointArray, candidates: FloatArray, memory: Memory
) -> tuple[IntArray, FloatArray]:
    """Find what `nearest` finds, from what is in memory and the candidates that came since."""
    n = len(points)
    nothing = candidates[:0], np.zeros(n, np.int32), np.full(n, np.inf)
    # Taken, so that nobody else works with it meanwhile.
    known, labels, squared = memory.pop(KEPT_OF_START, nothing)
    if not np.array_equal(known, candidates[: len(known)]):  # another start's
        known, labels, squared = nothing
    if len(known) < len(candidates):
        _compare(points, candidates, len(known), labels, squared)
    memory[KEPT_OF_START] = candidates, labels, squared
    return labels, squared


def _compare(
    points: PointArray, candidates: FloatArray, known: int, labels: IntArray, squared: FloatArray
) -> None:
    """Take new candidates for the rows that they are nearer to than the first so many."""
    for piece in _pieces(points):
        found, shorter = nearest_below(points[piece], candidates[known:], squared[piece])
        nearer = shorter < squared[piece]
        labels[piece][nearer] = found[nearer] + known
        squared[piece][nearer] = shorter[nearer]


def _pieces(points: PointArray) -> list[slice]:
    """Cut a split, at least into one piece: it may be larger than memory."""
    size = max(1, _PIECE_NUMBERS * len(points) // max(1, points.size))
    return [slice(start, start + size) for start in range(0, max(1, len(points)), size)]
