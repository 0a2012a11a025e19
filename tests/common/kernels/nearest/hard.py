"""Check labels and sums of hard points; run in a process of its own for another processor."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from common.kernels.nearest.assigning import labels_of
from common.model import FloatArray, IntArray
from tests.common.kernels.nearest.walks import check

_ROWS = 1 << 14
_CENTROIDS = 17


def hard_points(columns: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Yield points and centroids of so many columns."""
    rng = np.random.default_rng(columns)
    lattice = rng.integers(0, 5, size=(_ROWS, columns)).astype(np.float64)
    near_ties = np.nextafter(lattice, rng.choice([-np.inf, np.inf], size=lattice.shape))
    ties_far_out, subnormal = 1e9 + lattice * 1e-6, lattice * 5e-320
    for points in (lattice, near_ties, ties_far_out, subnormal):
        yield points, points[:_CENTROIDS].copy()
    yield np.full((_ROWS, columns), 0.1), rng.normal(size=(_CENTROIDS, columns))
    yield lattice, lattice[:1].copy()
    yield near_ties[:300], near_ties[:300].copy()
    yield near_ties[:5], near_ties[5:9].copy()
    far_off = lattice.copy()
    far_off[::7] *= 1e30
    yield far_off, lattice[:_CENTROIDS].copy()


def plain_labels(points: FloatArray, centroids: FloatArray) -> IntArray:
    """Return each row's nearest centroid, the first of equal ones, by squares summed in column order."""
    squared = np.zeros((len(points), len(centroids)))
    for x, c in zip(points.T.astype(np.float64), centroids.T, strict=True):
        squared += (x[:, None] - c) ** 2
    labels: IntArray = squared.argmin(axis=1).astype(np.int32)
    return labels


def check_labels(columns: int) -> None:
    for points, centroids in hard_points(columns):
        for dtype in ("float64", "float32"):
            stored = points.astype(dtype)
            assert np.array_equal(labels_of(stored, centroids), plain_labels(stored, centroids))


def check_sums(columns: int) -> None:
    """Check ties, near-ties and ties far out; each other number of limbs would be compiled anew."""
    for points, centroids in islice(hard_points(columns), 3):
        for dtype in ("float64", "float32"):
            check(points[:2000], [centroids, centroids[::-1].copy()], dtype=dtype)


def main() -> None:
    for columns in (1, 2, 3, 4, 7, 8, 16, 23, 40):
        check_labels(columns)
    check_sums(9)


if __name__ == "__main__":
    main()
