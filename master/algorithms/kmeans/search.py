"""K-Means with several numbers of clusters at once, and which of them the measures prefer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from common.events.catalogue.kmeans import Clusters, ClustersChosen, ClustersMeasured
from common.events.log import RunLog
from common.jobs.base import Engine
from common.model import Input
from common.records import encode_vectors
from common.store.names import CENTROIDS, centroids_name
from master.algorithms.base import Algorithm, Checkpoints, Progress, Published, ResultFile
from master.algorithms.kmeans.algorithm import KMeansAlgorithm, figures_of, labelling_of
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.evaluation import measures_table, title_of
from master.algorithms.kmeans.loop import KMeansResult, describe_input, fit_each
from master.algorithms.kmeans.measures import Measures, measure, preferred
from master.algorithms.kmeans.starts import check_starts
from master.algorithms.kmeans.table import as_numbers
from master.algorithms.kmeans.unit import Unit, choose_unit
from master.algorithms.kmeans.weights import points_in

_NO_CHECKPOINTS = Checkpoints()


@dataclass(frozen=True)
class SearchResult:
    """The results for several K, in ascending order, and how good they are."""

    results: tuple[KMeansResult, ...]
    measures: tuple[Measures, ...]

    @property
    def ks(self) -> list[int]:
        """The numbers of clusters."""
        return [len(result.centroids) for result in self.results]

    @cached_property
    def preferred(self) -> dict[str, int]:
        """The K that each measure prefers."""
        return preferred(dict(zip(self.ks, self.measures, strict=True)))

    @property
    def best(self) -> KMeansResult:
        """The result of the greatest silhouette; the first one if none has one."""
        return self.best_by("silhouette")

    def best_by(self, measure: str) -> KMeansResult:
        """Return the result that a measure prefers; the first one if it is defined for none."""
        return self.results[self.ks.index(self.preferred.get(measure, self.ks[0]))]

    def in_unit(self, unit: Unit) -> Self:
        """Return results whose centroids are in a unit."""
        return replace(self, results=tuple(replace(each, unit=unit) for each in self.results))

    @property
    def figures(self) -> list[dict[str, Any]]:
        """The figures of each K by name."""
        return [
            {
                "k": len(result.centroids),
                "inertia": result.inertia,
                **vars(measures),
                "iterations": result.n_iter,
            }
            for result, measures in zip(self.results, self.measures, strict=True)
        ]


def search(
    engine: Engine,
    rows: int,
    configs: Sequence[KMeansConfig],
    log: RunLog,
    checkpoints: Checkpoints = _NO_CHECKPOINTS,
) -> SearchResult:
    """Cluster an input of that many rows by configurations that differ in K, and measure the results."""
    ranges = describe_input(engine, rows, configs[0], log)
    results = fit_each(engine, ranges, configs, log, checkpoints)
    measures = measure(engine, ranges, [(result.centroids, result.sizes) for result in results])
    found = SearchResult(tuple(results), tuple(measures))
    for result, figures in zip(results, found.figures, strict=True):
        log.event(ClustersMeasured(start=result.start, **figures))
    best = found.best
    by = {f"by_{name}": k for name, k in found.preferred.items()}
    log.event(ClustersChosen(start=best.start or 1, k=len(best.centroids), of=len(results), **by))
    return found


@dataclass(frozen=True)
class KMeansChoice(Algorithm[SearchResult]):
    """Find centroids for several K; the result is a file for each, and centroids.txt for the best.

    `configs` differ in K alone, and are in its order.
    """

    configs: tuple[KMeansConfig, ...]

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of the files that it will publish."""
        return CENTROIDS, *(centroids_name(config.k) for config in self.configs)

    @property
    def iterations(self) -> int:
        """How many iterations it runs at most."""
        return self.configs[0].iterations

    def check(self, source: Input) -> None:
        """Raise UserError if there are fewer rows than clusters."""
        KMeansAlgorithm(self.configs[-1]).check(source)

    def parameters(self) -> dict[str, str]:
        """Return the options that decide the result."""
        ks = ",".join(str(config.k) for config in self.configs)
        return KMeansAlgorithm(self.configs[0]).parameters() | {"--k": ks}

    def check_progress(self, source: Input, iteration: int, parts: Sequence[Progress]) -> None:
        """Raise ValueError unless these are the starts, and one of them has run so many iterations."""
        check_starts(parts, self.configs, points_in(source), iteration)

    def run(self, engine: Engine, source: Input, log: RunLog, checkpoints: Checkpoints) -> SearchResult:
        """Run Lloyd's loop from every start of every K, and measure the results."""
        unit = choose_unit(engine, source.rows, points_in(source), self.configs[0])
        found = search(unit.on(engine), source.rows, self.configs, log, checkpoints).in_unit(unit)
        best = found.best
        log.event(Clusters(sizes=as_numbers(best.sizes), inertia=best.inertia))
        return found

    def publish(self, result: SearchResult) -> Published:
        """Return the centroids as files, the measures, and the job that labels the rows by the best K."""
        best = result.best.unit.restore(result.best.centroids)
        of_each = [
            ResultFile(
                centroids_name(k),
                f"those of K = {k}",
                encode_vectors(each.unit.restore(each.centroids)),
                is_shown=False,
            )
            for k, each in zip(result.ks, result.results, strict=True)
        ]
        title = f"the centroids of K = {len(best)}, one a line"
        return Published(
            summary=_summary(result),
            lines=tuple(_lines(result)),
            files=(ResultFile(CENTROIDS, title, encode_vectors(best)), *of_each),
            labels=labelling_of(result.best, self.configs[0]),
            figures={
                "k": len(best),
                "preferred": result.preferred,
                "results": [
                    figures_of(each) | vars(measures)
                    for each, measures in zip(result.results, result.measures, strict=True)
                ],
            },
        )


def _summary(result: SearchResult) -> str:
    best = result.preferred.get("silhouette")
    return "no K has a silhouette" if best is None else f"K = {best} has the greatest silhouette"


def _lines(result: SearchResult) -> Iterator[str]:
    """Yield the measures of each K, and which K each measure prefers."""
    yield from measures_table(result.figures)
    yield ""
    for name, k in result.preferred.items():
        yield f"{title_of(name)} prefers K = {k}"
