"""The clusters of a result as a table for the screen."""

from collections.abc import Iterator

from common.model import FloatArray, LongArray
from master.algorithms.tables import aligned

_SHOWN_CLUSTERS = 20
_SHOWN_COLUMNS = 8


def cluster_table(centroids: FloatArray, sizes: LongArray) -> Iterator[str]:
    """Yield a line for each cluster, of many the first ones: its rows, their share, and its centroid."""
    rows = int(sizes.sum())
    lines = [("cluster", "rows", "share", "centroid")]
    for key, (size, centroid) in enumerate(zip(sizes.tolist(), centroids, strict=True)):
        if key < _SHOWN_CLUSTERS:
            lines.append((str(key), f"{size:,}", f"{size / rows:.1%}", _shown(centroid)))
    yield from aligned(lines, ">>><")
    if rest := max(0, len(sizes) - _SHOWN_CLUSTERS):
        yield f"... and {rest} more, with {int(sizes[_SHOWN_CLUSTERS:].sum()):,} rows"


def _shown(centroid: FloatArray) -> str:
    rest = ["..."] if len(centroid) > _SHOWN_COLUMNS else []
    return ", ".join([*(f"{value:.6g}" for value in centroid[:_SHOWN_COLUMNS].tolist()), *rest])
