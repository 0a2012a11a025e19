"""K-Means as a run sees it: cluster an input, or label it by given centroids."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from common.errors import InputError, UsageError, counted
from common.events.catalogue.kmeans import Clusters, ResultInDoubt
from common.events.log import RunLog
from common.jobs.base import Engine
from common.model import FloatArray, Input, LongArray
from common.records import encode_vectors
from common.store.names import CENTROIDS
from master.algorithms.base import Algorithm, Checkpoints, Labelling, Progress, Published, ResultFile
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.doubts import doubts_about_range
from master.algorithms.kmeans.loop import KMeansResult, fit
from master.algorithms.kmeans.score import score
from master.algorithms.kmeans.starts import check_starts
from master.algorithms.kmeans.table import as_numbers, cluster_table, in_digits
from master.algorithms.kmeans.unit import choose_unit, config_in
from master.algorithms.kmeans.weights import labelling, points_in, ranges_of

_SHOWN_SIZES = 20
LABELS_TITLE = "the cluster of each input row"


@dataclass(frozen=True)
class KMeansAlgorithm(Algorithm[KMeansResult]):
    """Find centroids; the result is centroids.txt."""

    config: KMeansConfig

    file_names: ClassVar = (CENTROIDS,)

    @property
    def iterations(self) -> int:
        """How many iterations it runs at most."""
        return self.config.iterations

    def check(self, source: Input) -> None:
        """Raise UserError if there are fewer rows than clusters, or given centroids have other columns."""
        if self.config.initial is not None:
            check_columns(self.config.initial, points_in(source), "--init-centroids")
        elif self.config.k > source.rows:
            raise UsageError(f"--k {self.config.k} is more than the input's {counted(source.rows, 'row')}")

    def parameters(self) -> dict[str, str]:
        """Return the options that decide the result."""
        config = self.config
        given = "" if config.initial is None else hashlib.sha256(config.initial.tobytes()).hexdigest()[:16]
        return {
            "--k": str(config.k),
            "--tol": repr(config.tol),
            "--init": config.init,
            "--init-centroids": given and f"of SHA-256 {given}...",
            "--n-init": str(config.n_init),
            "--on-empty": config.on_empty,
            "--weights": config.weights or "",
            "--seed": str(config.seed),
            "--scale": "yes" if config.scale else "",
            "--metric": "" if config.metric == "euclidean" else config.metric,
        }

    def check_progress(self, source: Input, iteration: int, parts: Sequence[Progress]) -> None:
        """Raise ValueError unless these are the starts, and one of them has run so many iterations."""
        check_starts(parts, [self.config], points_in(source), iteration)

    def run(self, engine: Engine, source: Input, log: RunLog, checkpoints: Checkpoints) -> KMeansResult:
        """Run Lloyd's loop from every start; return the best result."""
        unit = choose_unit(engine, source.rows, points_in(source), self.config)
        result = fit(unit.on(engine), source.rows, config_in(unit, self.config), log, checkpoints)
        log.event(Clusters(sizes=as_numbers(result.sizes), inertia=result.inertia))
        return replace(result, unit=unit)

    def publish(self, result: KMeansResult) -> Published:
        """Return the centroids as a file, and the job that labels the rows."""
        centroids = result.unit.restore(result.centroids)
        unit = "rows" if self.config.weights is None else "weight"
        return Published(
            summary=f"cluster sizes {short_list(result.sizes)}, inertia {result.inertia!r}",
            lines=tuple(cluster_table(centroids, result.sizes, unit)),
            files=(ResultFile(CENTROIDS, "the centroids, one a line", encode_vectors(centroids)),),
            labels=labelling_of(result, self.config),
            figures=figures_of(result),
        )


@dataclass(frozen=True)
class KMeansPrediction(Algorithm[tuple[LongArray | FloatArray, float]]):
    """Label the rows by given centroids; the result is the labels, and how good they are."""

    centroids: FloatArray
    weights: str | None = None

    def check(self, source: Input) -> None:
        """Raise InputError if the centroids have other columns than the input."""
        check_columns(self.centroids, points_in(source), "--centroids")

    def run(
        self, engine: Engine, source: Input, log: RunLog, checkpoints: Checkpoints
    ) -> tuple[LongArray | FloatArray, float]:
        """Measure the clusters; return their sizes and the inertia."""
        for doubt in doubts_about_range(float(np.ptp(self.centroids, axis=0).max()), "--centroids"):
            log.event(ResultInDoubt(reason=doubt))
        ranges = ranges_of(engine, source.rows, self.weights)
        ((sizes, inertia),) = score(engine, ranges, [self.centroids])
        log.event(Clusters(sizes=as_numbers(sizes), inertia=inertia))
        return sizes, inertia

    def publish(self, result: tuple[LongArray | FloatArray, float]) -> Published:
        """Return the job that labels the rows."""
        sizes, inertia = result
        return Published(
            summary=f"{total_of(sizes)} labelled; cluster sizes {short_list(sizes)}; inertia {inertia!r}",
            labels=Labelling(labelling(self.weights), {"centroids": self.centroids}, LABELS_TITLE),
            figures={"k": len(sizes), "inertia": inertia, "sizes": list(as_numbers(sizes))},
        )


def labelling_of(result: KMeansResult, config: KMeansConfig) -> Labelling:
    """Return the job that labels the rows by a result."""
    state = {"centroids": result.centroids, **result.unit.entry}
    return Labelling(labelling(config.weights), state, LABELS_TITLE)


def figures_of(result: KMeansResult) -> dict[str, Any]:
    """Return what a script wants to know of a result."""
    return {
        "k": len(result.centroids),
        "inertia": result.inertia,
        "iterations": result.n_iter,
        "converged": result.converged,
        "sizes": list(as_numbers(result.sizes)),
        "doubts": list(result.doubts),
    }


def check_columns(centroids: FloatArray, columns: int, option: str) -> None:
    """Raise InputError if the centroids that an option names have other columns than the input."""
    if centroids.shape[1] != columns:
        raise InputError(f"{option} has {centroids.shape[1]} columns, but the input has {columns}")


def total_of(sizes: LongArray | FloatArray) -> str:
    """Return how many rows clusters have together, or their weight, as text."""
    if sizes.dtype == np.float64:
        return f"a weight of {as_numbers(np.array([math.fsum(sizes)]))[0]}"
    return f"{sizes.sum()} rows"


def short_list(sizes: LongArray | FloatArray) -> str:
    """Return the first sizes as text."""
    rest = ["..."] if len(sizes) > _SHOWN_SIZES else []
    shown = [in_digits(size).replace(",", "") for size in as_numbers(sizes[:_SHOWN_SIZES])]
    return ", ".join([*shown, *rest])
