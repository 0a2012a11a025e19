"""Bounds of rows: they hold after each motion, and settle only rows whose label stands."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.nearest.distance import distances
from common.kernels.nearest.members import (
    Members,
    Motion,
    motion_between,
    move_bounds,
    no_members,
    take_over,
)
from common.kernels.nearest.scores import Found
from common.model import FloatArray


def moved(seed: int) -> tuple[FloatArray, FloatArray, Members, Motion]:
    """Return points, where centroids are now, what was known before they moved, and how they did."""
    rng = np.random.default_rng(seed)
    points, before = rng.normal(size=(60, 2)), rng.normal(size=(4, 2))
    after = before + rng.normal(scale=0.1, size=(4, 2))
    ranked = np.sort(distances(points, before), axis=1)
    members = no_members(len(points), 4, 2)
    members.labels[:] = distances(points, before).argmin(axis=1)
    members.upper[:], members.lower[:] = ranked[:, 0] * (1 + 1e-6), ranked[:, 1] * (1 - 1e-6)
    return points, after, members, motion_between(before, after, 1.0)


@given(seed=st.integers(0, 2**32 - 1))
def test_bounds_move_with_the_centroids_and_labels_of_settled_rows_stand(seed: int) -> None:
    points, after, members, motion = moved(seed)
    unsettled = np.empty(60, np.uint32)
    rows = unsettled[: move_bounds(members, motion, 0, 60, unsettled)]
    found = distances(points, after)
    for i, label in enumerate(members.labels.tolist()):
        assert members.upper[i] >= found[i, label]
        assert members.lower[i] <= np.delete(found[i], label).min()
        assert i in rows or found[i].argmin() == label


def test_a_chunk_is_moved_alone() -> None:
    _, _, members, motion = moved(seed=0)
    upper = members.upper.copy()
    unsettled = np.empty(20, np.uint32)
    rows = unsettled[: move_bounds(members, motion, 20, 40, unsettled)]
    assert all(20 <= row < 40 for row in rows.tolist())
    assert np.flatnonzero(members.upper != upper).tolist() == list(range(20, 40))


def test_rows_with_another_label_are_counted_and_listed() -> None:
    members = no_members(4, 2, 1)
    members.labels[:], members.counts[:] = [0, 1, 2, 1], [1, 2]
    rows = np.array([0, 1, 2], np.uint32)
    bounds = np.array([[2.0, 3.0, 0.0], [4.0, 0.0, 1.0]], np.float32)
    found = Found(np.array([0, 0, 1], np.uint32), *bounds)
    moves = np.empty((3, 3), np.uint32)
    assert moves[:, : take_over(rows, found, members, moves)].tolist() == [[1, 2], [1, 2], [0, 1]]
    assert members.counts.tolist() == [2, 2]
    assert members.labels.tolist() == [0, 0, 1, 1]
    assert members.upper[:2].round(5).tolist() == [2.0, 3.0]
    assert members.lower[:2].round(5).tolist() == [4.0, 0.0]


@given(k=st.integers(1, 9), d=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_bounds_of_the_motion_hold(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, k, d))
    motion = motion_between(before, after, scale=0.25)
    moved = [0.25 * math.dist(a, b) for a, b in zip(before.tolist(), after.tolist(), strict=True)]
    for i in range(k):
        others = [0.25 * math.dist(after[i], after[j]) for j in range(k) if j != i]
        assert moved[i] <= motion.drift[i] <= moved[i] * (1 + 2**-21)
        assert motion.drops[i] == max((motion.drift[j] for j in range(k) if j != i), default=0.0)
        assert motion.half_gaps[i] <= 0.5 * min(others, default=math.inf)
