"""Bounds of rows: they hold after each motion, and settle only rows whose label stands."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.nearest.distance import distances
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
from common.kernels.nearest.scores import Found
from common.model import FloatArray


def room_for(rows: int) -> Room:
    return Room(*np.empty((4, rows), np.uint32))


def known(points: FloatArray, centroids: FloatArray, motion: Motion) -> Members:
    """Return what is known of points once they were assigned."""
    ranked = np.sort(distances(points, centroids), axis=1).astype(np.float32)
    members = no_members(len(points), len(centroids), 2)
    labels = distances(points, centroids).argmin(axis=1).astype(np.uint32)
    found = Found(labels, ranked[:, 0] * np.float32(1 + 1e-6), ranked[:, 1] * np.float32(1 - 1e-6))
    rows = np.arange(len(points), dtype=np.uint32)
    take_over(rows, found, members, motion, room_for(len(points)))
    return members


@given(seed=st.integers(0, 2**32 - 1), earlier=st.integers(0, 3))
def test_bounds_hold_after_motions_and_labels_of_settled_rows_stand(seed: int, earlier: int) -> None:
    rng = np.random.default_rng(seed)
    points, centroids, motion = rng.normal(size=(60, 2)), rng.normal(size=(4, 2)), no_motion(4)
    for step in range(earlier + 3):
        if step == earlier:
            members = known(points, centroids, motion)
        before, centroids = centroids, centroids + rng.normal(scale=0.1, size=(4, 2))
        motion = further(motion, before, centroids, 1.0)
    unsettled = np.empty(60, np.uint32)
    rows = unsettled[: list_unsettled(members, motion, 0, 60, False, unsettled)]
    found = distances(points, centroids)
    for i, label in enumerate(members.labels.tolist()):
        nearest_other = np.delete(found[i], label).min()
        assert members.uppers[i] + motion.drifts[label] >= found[i, label]
        assert members.gaps[i] - motion.closings[label] <= nearest_other - found[i, label]
        assert i in rows or found[i].argmin() == label


def test_rows_are_settled_by_gaps_that_are_left_or_by_a_near_centroid() -> None:
    centroids, points = np.array([[0.0], [10.0]]), np.array([[0.5], [4.9], [9.0]])
    motion = no_motion(2)
    members = known(points, centroids, motion)
    unsettled = np.empty(3, np.uint32)
    for after, left in (([[0.0], [9.9]], []), ([[0.0], [9.0]], [1]), ([[-1.0], [2.0]], [0, 1, 2])):
        motion = further(motion, centroids, np.array(after), 1.0)
        centroids = np.array(after)
        assert unsettled[: list_unsettled(members, motion, 0, 3, False, unsettled)].tolist() == left


def test_some_rows_are_looked_at_alone() -> None:
    rng = np.random.default_rng(0)
    points, centroids = rng.normal(size=(60, 2)), rng.normal(size=(4, 2))
    members = known(points, centroids, no_motion(4))
    motion = further(no_motion(4), centroids, centroids + 0.5, 1.0)
    every, some = np.empty((2, 60), np.uint32)
    rows = every[: list_unsettled(members, motion, 0, 60, False, every)].tolist()
    found = some[: list_unsettled(members, motion, 20, 40, False, some)].tolist()
    assert found == [row for row in rows if 20 <= row < 40]
    assert len(rows) > len(found) > 0


def test_infinite_motion_settles_no_row_of_its_centroid() -> None:
    points, centroids = np.array([[0.5], [9.0]]), np.array([[0.0], [10.0]])
    members = known(points, centroids, no_motion(2))
    motion = further(no_motion(2), centroids, np.array([[0.0], [1e200]]), 1.0)
    unsettled = np.empty(2, np.uint32)
    assert unsettled[: list_unsettled(members, motion, 0, 2, False, unsettled)].tolist() == [1]


def test_rows_with_another_label_are_counted_and_listed() -> None:
    members = no_members(4, 2, 1)
    members.labels[:], members.counts[:] = [0, 1, 2, 1], [1, 2]
    rows = np.array([0, 1, 2], np.uint32)
    bounds = np.array([[2.0, 3.0, 0.0], [4.0, 0.0, 1.0]], np.float32)
    found = Found(np.array([0, 0, 1], np.uint32), *bounds)
    room = room_for(3)
    moved = take_over(rows, found, members, no_motion(2), room)
    assert [listed[:moved].tolist() for listed in room[1:]] == [[1, 2], [1, 2], [0, 1]]
    assert members.counts.tolist() == [2, 2]
    assert members.labels.tolist() == [0, 0, 1, 1]
    assert members.uppers[:3].round(5).tolist() == [2.0, 3.0, 0.0]
    assert members.gaps[:3].round(5).tolist() == [2.0, -3.0, 1.0]


@given(k=st.integers(1, 9), d=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_what_motions_do_adds_up(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    path, motion = rng.normal(size=(3, k, d)), no_motion(k)
    drifts, closings = np.zeros(k), np.zeros(k)
    for before, after in pairwise(path):
        motion = further(motion, before, after, scale=0.25)
        moved = [0.25 * math.dist(a, b) for a, b in zip(before.tolist(), after.tolist(), strict=True)]
        drifts += moved
        closings += [moved[i] + max(moved[:i] + moved[i + 1 :], default=0.0) for i in range(k)]
    for exact, found in ((drifts, motion.drifts), (closings, motion.closings)):
        assert (exact <= found).all()
        assert (found <= exact * (1 + 1e-9)).all()
    assert (motion.closings < motion.enough).all()
    for i in range(k):
        others = [0.25 * math.dist(path[-1][i], path[-1][j]) for j in range(k) if j != i]
        assert motion.near[i] <= 0.5 * min(others, default=math.inf) - drifts[i]
