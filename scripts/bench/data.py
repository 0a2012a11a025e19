"""The data: drawn from a seed, so that anyone can draw the same again, or others."""

import numpy as np
import pyarrow
import pyarrow.csv

from common.model import FloatArray

KINDS = ("blobs", "cloud")
"""K normal clusters that overlap, and one normal cloud without any clusters."""

_SEPARATION = 6.0
"""Root mean square distance of two clusters' centres, in standard deviations of a cluster.

Independent of the number of columns, so that clusters overlap in any of them.
"""

_BLOCK_ROWS = 100_000


def generate(kind: str, rows: int, columns: int, clusters: int, seed: int) -> FloatArray:
    """Draw points.

    Parameters
    ----------
    kind
        One of KINDS.
    rows, columns
        Shape of the result.
    clusters
        Of blobs: how many, of equal weight.
    seed
        Of everything drawn.
    """
    rng = np.random.default_rng(seed)
    if kind == "cloud":
        return rng.normal(size=(rows, columns))
    centers = rng.normal(scale=_SEPARATION / np.sqrt(2 * columns), size=(clusters, columns))
    points = rng.normal(size=(rows, columns))
    for start in range(0, rows, _BLOCK_ROWS):
        block = points[start : start + _BLOCK_ROWS]
        block += centers[rng.integers(clusters, size=len(block))]
    return points


def initial_rows(points: FloatArray, k: int, seed: int) -> FloatArray:
    """Choose k rows as the centroids that everybody starts from."""
    rng = np.random.default_rng([seed, 1])
    return points[np.sort(rng.choice(len(points), k, replace=False))]


def write_csv(path: str, points: FloatArray) -> None:
    """Write points as comma-separated text with all their digits, without a header."""
    columns = [f"x{i}" for i in range(points.shape[1])]
    options = pyarrow.csv.WriteOptions(include_header=False)
    with pyarrow.csv.CSVWriter(
        path, pyarrow.schema([(name, pyarrow.float64()) for name in columns]), write_options=options
    ) as out:
        for start in range(0, len(points), _BLOCK_ROWS):
            block = points[start : start + _BLOCK_ROWS]
            out.write(pyarrow.table([np.ascontiguousarray(c) for c in block.T], names=columns))
