"""The events of K-Means in words."""

from common.events.catalogue import kmeans
from common.events.catalogue.base import Event

_SHOWN_CENTROIDS = 8
_SHOWN_COLUMNS = 8


def words_of_kmeans(event: Event) -> str | None:
    """Put an event of K-Means into words; "" for one that only dump.txt needs, None for one of others."""
    match event:
        case kmeans.Input():
            return f"input: {event.rows} rows, {event.columns} columns"
        case kmeans.InitialCentroids():
            return f"\n{_start(event.start)}initial centroids"
        case kmeans.Centroid():
            return _centroid(event)
        case kmeans.EmptyCluster(row=None):
            return f"  cluster {event.key} is empty; its centroid stays"
        case kmeans.EmptyCluster():
            return f"  cluster {event.key} is empty; it takes row {event.row}, the farthest from its centroid"
        case kmeans.IterationFinished():
            return f"  {_start(event.start)}largest shift {event.shift:g}"
        case kmeans.Stopped():
            end = f"{event.reason}; {event.iterations} iterations, inertia {event.inertia}"
            return f"\n{_start(event.start)}{end}"
    return None


def _start(number: int | None) -> str:
    return "" if number is None else f"start {number}, "


def _centroid(event: kmeans.Centroid) -> str:
    if event.key >= _SHOWN_CENTROIDS:
        return "  ... the others are in dump.txt" if event.key == _SHOWN_CENTROIDS else ""
    shown = event.value.split(",", _SHOWN_COLUMNS)
    rest = ",..." if len(shown) > _SHOWN_COLUMNS else ""
    return f"  {_start(event.start)}centroid {event.key}: {','.join(shown[:_SHOWN_COLUMNS])}{rest}"
