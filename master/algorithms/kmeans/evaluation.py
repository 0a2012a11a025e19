"""How good given centroids are for an input, as a run sees it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from common.events.catalogue.kmeans import Clusters, ClustersMeasured
from common.events.log import RunLog
from common.jobs.base import Engine
from common.model import FloatArray, Input, LongArray
from master.algorithms.base import Algorithm, Checkpoints, Published
from master.algorithms.kmeans.algorithm import check_columns, short_list, total_of
from master.algorithms.kmeans.measures import Measures, measure
from master.algorithms.kmeans.score import score
from master.algorithms.kmeans.table import as_numbers
from master.algorithms.kmeans.weights import points_in, ranges_of
from master.algorithms.tables import aligned

_TITLES = {
    "k": "K",
    "inertia": "inertia",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin",
    "silhouette": "silhouette",
    "simplified_silhouette": "simplified silhouette",
    "iterations": "iterations",
}


@dataclass(frozen=True)
class Evaluated:
    """Clusters, and how good they are."""

    sizes: LongArray | FloatArray
    inertia: float
    measures: Measures

    @property
    def figures(self) -> dict[str, Any]:
        """All figures by name."""
        return {"k": len(self.sizes), "inertia": self.inertia, **vars(self.measures)}


@dataclass(frozen=True)
class KMeansEvaluation(Algorithm[Evaluated]):
    """Measure given centroids; rows belong to the nearest."""

    centroids: FloatArray
    weights: str | None = None

    def check(self, source: Input) -> None:
        """Raise InputError if the centroids have other columns than the input."""
        check_columns(self.centroids, points_in(source), "--centroids")

    def run(self, engine: Engine, source: Input, log: RunLog, checkpoints: Checkpoints) -> Evaluated:
        """Measure the clusters."""
        ranges = ranges_of(engine, source.rows, self.weights)
        ((sizes, inertia),) = score(engine, ranges, [self.centroids])
        (measures,) = measure(engine, ranges, [(self.centroids, sizes)])
        found = Evaluated(sizes, inertia, measures)
        log.event(Clusters(sizes=as_numbers(sizes), inertia=inertia))
        log.event(ClustersMeasured(**found.figures))
        return found

    def publish(self, result: Evaluated) -> Published:
        """Return the figures."""
        sizes = result.sizes
        return Published(
            summary=f"{total_of(sizes)} in {len(sizes)} clusters; cluster sizes {short_list(sizes)}",
            lines=tuple(f"{_TITLES[name]}: {_shown(value)}" for name, value in result.figures.items()),
            figures=result.figures | {"sizes": list(as_numbers(sizes))},
        )


def measures_table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of a table of figures, all with the same names."""
    heads = [_TITLES[name] for name in rows[0]]
    yield from aligned([heads, *([_in_short(value) for value in row.values()] for row in rows)], ">")


def title_of(name: str) -> str:
    """Return a figure's name for people."""
    return _TITLES[name]


def _shown(value: float | None) -> str:
    return "not defined" if value is None else repr(value)


def _in_short(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
