"""Boxes of blocks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.nearest.boxes import BoxIndex
from tests.common.kernels.nearest.walks import grid_of, plain_sums

NUMBER = st.floats(-(2.0**480), 2.0**480)


@given(values=st.lists(st.tuples(NUMBER, NUMBER), min_size=1, max_size=200), seed=st.integers(0, 9))
def test_far_centroids_are_excluded_only_where_they_are_nearest_to_no_row(
    values: list[tuple[float, float]], seed: int
) -> None:
    points = np.array(values)
    centroids = points[np.random.default_rng(seed).integers(len(points), size=5)]
    counts, sums = BoxIndex(points, grid := grid_of(points)).cluster_sums(centroids)
    expected_counts, expected_sums = plain_sums(points, grid, centroids)
    assert counts.tolist() == expected_counts
    assert np.array_equal(sums, expected_sums)


def test_a_block_moves_as_a_whole_and_row_by_row() -> None:
    """Whole blocks change their owner, are divided, and are one cluster's again."""
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.normal(size=(500, 2)), rng.normal(size=(500, 2)) + 50])
    index = BoxIndex(points, grid := grid_of(points))
    near, far = [0.0, 0.0], [50.0, 50.0]
    for pair in ([near, far], [far, near], [near, [0.5, 0.5]], [far, [1e3, 1e3]], [near, far]):
        counts, sums = index.cluster_sums(np.array(pair))
        expected_counts, expected_sums = plain_sums(points, grid, np.array(pair))
        assert counts.tolist() == expected_counts
        assert np.array_equal(sums, expected_sums)
