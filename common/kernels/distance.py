"""Nearest centroids by the plain formula, in blocks that stay in the cache.

Where there is much to do, `common.kernels.products` finds the same labels faster; it is compiled code,
which takes half a second to import.
"""

import numpy as np

from common.model import FloatArray, IntArray

_BUFFER_ELEMENTS = 1 << 16
"""Elements of the distance buffer, for not too many centroids: 512 KiB, so that two fit in a core's cache."""

_MUCH_WORK = 20_000_000
"""Squared differences; NumPy does some 10**8 a second."""

_MANY_CENTROID_NUMBERS = 64
"""From here on, matrix products are faster than the plain formula in NumPy."""


def nearest(points: FloatArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find each point's nearest centroid.

    The squared Euclidean distance is summed in float64 over the columns, in column order; ties go
    to the lowest index. Every operation is elementwise and correctly rounded (IEEE 754), so a
    row's result depends on that row alone: not on the block, the split or the machine.

    Parameters
    ----------
    points
        Shape (n, d).
    centroids
        Shape (k, d), k at least 1.

    Returns
    -------
    labels
        Shape (n,): index of the nearest centroid.
    squared_distances
        Shape (n,): squared distance to it, in the square of the points' unit.
    """
    if worth_compiled_code(points, len(centroids)) and centroids.size >= _MANY_CENTROID_NUMBERS:
        return nearest_by_products(points, centroids)
    n = len(points)
    labels = np.empty(n, np.int32)
    squared = np.empty(n)
    rows = max(256, _BUFFER_ELEMENTS // len(centroids))
    for start in range(0, n, rows):
        stop = min(n, start + rows)
        distances = _squared_distances(points[start:stop], centroids)
        chosen = distances.argmin(axis=0)
        labels[start:stop] = chosen
        squared[start:stop] = np.take_along_axis(distances, chosen[None], axis=0)[0]
    return labels, squared


def worth_compiled_code(points: FloatArray, k: int) -> bool:
    """Tell whether k distances for each point take longer than importing compiled code."""
    return points.size * k >= _MUCH_WORK


def nearest_by_products(points: FloatArray, centroids: FloatArray) -> tuple[IntArray, FloatArray]:
    """Find what `nearest` finds, by compiled code and matrix products."""
    from common.kernels.products import Products, squared_to

    n = len(points)
    labels, squared, rows = np.empty(n, np.int32), np.empty(n), np.arange(n, dtype=np.int32)
    exponent = int(np.frexp(np.abs(points).max(initial=0.0))[1])
    products = Products(points.shape[1], len(centroids), exponent, points[: 1 << 10].mean(axis=0))
    products.set_centroids(centroids)
    for start in range(0, n, products.rows):
        block = slice(start, min(n, start + products.rows))
        products.assign(points, rows[block])
        labels[block] = products.labels[: block.stop - start]
        squared_to(points, rows[block], centroids, labels[block], squared[block])
    return labels, squared


def _squared_distances(points: FloatArray, centroids: FloatArray) -> FloatArray:
    """Squared distances, shape (k, n): the long axis last, where numpy's inner loops run."""
    total = np.zeros((len(centroids), len(points)))
    difference = np.empty_like(total)
    for column, of_centroid in zip(points.T, centroids.T, strict=True):
        np.subtract(column, of_centroid[:, None], out=difference)
        np.multiply(difference, difference, out=difference)
        total += difference
    return total


def largest_shift(before: FloatArray, after: FloatArray) -> float:
    """Return the largest Euclidean distance that a centroid moved, both of shape (k, d)."""
    # A power of two takes the differences to near 1, exactly, so that their squares do not underflow.
    exponent = int(np.frexp(np.abs(after - before).max())[1])
    total = np.zeros(len(before))
    for old, new in zip(before.T, after.T, strict=True):
        total += np.ldexp(new - old, -exponent) ** 2
    return float(np.ldexp(np.sqrt(total.max()), exponent))
