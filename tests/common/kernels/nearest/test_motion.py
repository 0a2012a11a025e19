"""How far centroids moved: bounds that hold."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.nearest.members import motion_between


@given(k=st.integers(1, 9), d=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_bounds_of_the_motion_hold(k: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(2, k, d))
    motion = motion_between(before, after, scale=0.25)
    moved = [0.25 * math.dist(a, b) for a, b in zip(before.tolist(), after.tolist(), strict=True)]
    for i in range(k):
        others = [0.25 * math.dist(after[i], after[j]) for j in range(k) if j != i]
        assert moved[i] <= motion.drift[i] <= moved[i] * (1 + 1e-13)
        assert motion.drops[i] == max((motion.drift[j] for j in range(k) if j != i), default=0.0)
        assert motion.half_gaps[i] <= 0.5 * min(others, default=math.inf)


def test_the_rest_moved_no_farther_than_the_speed() -> None:
    before = np.zeros((8, 1))
    after = np.array([[3.0], [0.0], [8.0], [1.0], [1.0], [0.0], [2.0], [0.0]])
    motion = motion_between(before, after, scale=1.0, aside=2)
    assert motion.fastest.tolist() == [2, 0]
    assert round(motion.speed, 9) == 2.0
