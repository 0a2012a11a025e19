"""K-Means as a run sees it: cluster an input, or label it by given centroids."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.errors import InputError, UsageError, counted
from common.events.catalogue.kmeans import Clusters, ResultInDoubt
from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.centroids import Label
from common.jobs.weighted import WeightedLabel
from common.model import FloatArray, Input, LongArray
from common.records import encode_vectors
from common.store.names import CENTROIDS
from master.algorithms.base import Algorithm, Checkpoints, Labelling, Progress, Published, ResultFile
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.doubts import doubts_about_range
from master.algorithms.kmeans.loop import KMeansResult, fit
from master.algorithms.kmeans.progress import check_start
from master.algorithms.kmeans.score import describe, score
from master.algorithms.kmeans.table import as_numbers, cluster_table, in_digits

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
            _check_columns(self.config.initial, _points(source), "--init-centroids")
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
        }

    def check_progress(self, source: Input, iteration: int, parts: Sequence[Progress]) -> None:
        """Raise ValueError unless these are the starts, and one of them has run so many iterations."""
        if len(parts) != self.config.n_init:
            raise ValueError(f"{len(parts)} starts, not {self.config.n_init}")
        if max(check_start(part, self.config.k, _points(source)) for part in parts) != iteration:
            raise ValueError(f"no start has run {counted(iteration, 'iteration')}")

    def run(self, engine: Engine, source: Input, log: Log, checkpoints: Checkpoints) -> KMeansResult:
        """Run Lloyd's loop from every start; return the best result."""
        result = fit(engine, source.rows, self.config, log, checkpoints)
        log.event(Clusters(sizes=as_numbers(result.sizes), inertia=result.inertia))
        return result

    def publish(self, result: KMeansResult) -> Published:
        """Return the centroids as a file, and the job that labels the rows."""
        content = encode_vectors(result.centroids)
        unit, label = ("rows", Label()) if self.config.weights is None else ("weight", WeightedLabel())
        return Published(
            summary=f"cluster sizes {_short(result.sizes)}, inertia {result.inertia!r}",
            lines=tuple(cluster_table(result.centroids, result.sizes, unit)),
            files=(ResultFile(CENTROIDS, "the centroids, one a line", content),),
            labels=Labelling(label, {"centroids": result.centroids}, LABELS_TITLE),
        )


@dataclass(frozen=True)
class KMeansPrediction(Algorithm[tuple[LongArray | FloatArray, float]]):
    """Label the rows by given centroids; the result is the labels, and how good they are."""

    centroids: FloatArray

    def check(self, source: Input) -> None:
        """Raise InputError if the centroids have other columns than the input."""
        _check_columns(self.centroids, len(source.columns), "--centroids")

    def run(
        self, engine: Engine, source: Input, log: Log, checkpoints: Checkpoints
    ) -> tuple[LongArray | FloatArray, float]:
        """Measure the clusters; return their sizes and the inertia."""
        for doubt in doubts_about_range(float(np.ptp(self.centroids, axis=0).max()), "--centroids"):
            log.event(ResultInDoubt(reason=doubt))
        ranges = describe(engine, source.rows)
        ((sizes, inertia),) = score(engine, ranges, self.centroids[None])
        log.event(Clusters(sizes=as_numbers(sizes), inertia=inertia))
        return sizes, inertia

    def publish(self, result: tuple[LongArray | FloatArray, float]) -> Published:
        """Return the job that labels the rows."""
        sizes, inertia = result
        return Published(
            summary=f"{sizes.sum()} rows labelled; cluster sizes {_short(sizes)}; inertia {inertia!r}",
            labels=Labelling(Label(), {"centroids": self.centroids}, LABELS_TITLE),
        )


def _points(source: Input) -> int:
    """Return how many columns are clustered."""
    return len(source.columns) - source.has_weights


def _check_columns(centroids: FloatArray, columns: int, option: str) -> None:
    if centroids.shape[1] != columns:
        raise InputError(f"{option} has {centroids.shape[1]} columns, but the input has {columns}")


def _short(sizes: LongArray | FloatArray) -> str:
    rest = ["..."] if len(sizes) > _SHOWN_SIZES else []
    shown = [in_digits(size).replace(",", "") for size in as_numbers(sizes[:_SHOWN_SIZES])]
    return ", ".join([*shown, *rest])
