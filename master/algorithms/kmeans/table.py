"""The clusters of a result as a table for the screen."""

from collections.abc import Iterator

from common.model import FloatArray, LongArray
from master.algorithms.tables import aligned

_SHOWN_CLUSTERS = 20
_SHOWN_COLUMNS = 8


def as_numbers(sizes: LongArray | FloatArray) -> tuple[float, ...]:
    """Return sizes of clusters, whole ones as int: fractions come only of weights."""
    return tuple(int(size) if size == int(size) else size for size in sizes.tolist())


def in_digits(size: float) -> str:
    """Show the size of a cluster."""
    return f"{size:,}" if isinstance(size, int) else f"{size:,.6g}"


def cluster_table(centroids: FloatArray, sizes: LongArray | FloatArray, unit: str = "rows") -> Iterator[str]:
    """Yield a line for each cluster, of many the first ones: its size, the share of all, and its centroid."""
    total = sizes.sum()
    lines = [("cluster", unit, "share", "centroid")]
    for key, (size, centroid) in enumerate(zip(as_numbers(sizes), centroids, strict=True)):
        if key < _SHOWN_CLUSTERS:
            lines.append((str(key), in_digits(size), f"{size / total:.1%}", _shown(centroid)))
    yield from aligned(lines, ">>><")
    if rest := max(0, len(sizes) - _SHOWN_CLUSTERS):
        (others,) = as_numbers(sizes[_SHOWN_CLUSTERS:].sum(keepdims=True))
        yield f"... and {rest} more, with {in_digits(others)} {unit}"


def _shown(centroid: FloatArray) -> str:
    rest = ["..."] if len(centroid) > _SHOWN_COLUMNS else []
    return ", ".join([*(f"{value:.6g}" for value in centroid[:_SHOWN_COLUMNS].tolist()), *rest])
