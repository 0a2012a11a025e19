"""Fits from the same start: ours on the gRPC engine against other libraries on an array in memory."""

import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scripts.bench import ours, peers
from scripts.bench.data import generate, initial_rows
from scripts.bench.measure import Contender, Sample, Series, Unavailable, alternate, python, run
from scripts.bench.outcome import THREADS, Bench, Outcome

PEERS = {
    "sklearn-lloyd": ("sklearn-lloyd", "float64"),
    "sklearn-elkan": ("sklearn-elkan", "float64"),
    "sklearn-lloyd float32": ("sklearn-lloyd", "float32"),
    "sklearn-elkan float32": ("sklearn-elkan", "float32"),
    "faiss": ("faiss", "float32"),
    "spark": ("spark", "float64"),
    "spark-block": ("spark-block", "float64"),
    "dask-ml": ("dask-ml", "float64"),
}
"""Contenders: the library and the type of its array."""


_ENGINE_MODULES = {"spark": "pyspark", "dask": "distributed"}


@dataclass(frozen=True)
class Size:
    """Points and clusters of a fit."""

    rows: int
    columns: int
    k: int


class Fit:
    """The contenders of one fit, on the same points and from the same start.

    Parameters
    ----------
    bench
        Settings.
    size
        Its rows are scaled.
    kind
        Of the data.
    iterations
        At most; None: as the settings say.
    """

    def __init__(self, bench: Bench, size: Size, kind: str, iterations: int | None = None) -> None:
        self.size = Size(bench.rows(size.rows, size.k), size.columns, size.k)
        self.folder = bench.folder
        self.iterations = self._ran = bench.iterations if iterations is None else iterations
        self._points = bench.folder / "points.npy"
        self._initial = bench.folder / "initial.npy"
        points = generate(kind, self.size.rows, size.columns, size.k, bench.seed)
        np.save(self._points, points)
        np.save(self._initial, initial_rows(points, size.k, bench.seed))

    def contenders(self) -> dict[str, Contender]:
        """Return all of them, ours first: faiss runs as many iterations as ours needed."""
        return {
            "ours": self.ours({}),
            "ours float32": self.ours({"dtype": "float32"}),
            "ours on spark": self.ours({"engine": "spark", "spark-master": f"local[{THREADS}]"}),
            "ours on dask": self.ours({"engine": "dask"}),
            **{name: self.peer(*which) for name, which in PEERS.items()},
        }

    def ours(self, options: Mapping[str, object], mappers: int = THREADS) -> Contender:
        """Return ours, with more options."""

        def contender(watch: bool) -> Sample:
            module = _ENGINE_MODULES.get(str(options.get("engine")))
            if module is not None and importlib.util.find_spec(module) is None:
                raise Unavailable(f"{module} is not installed")
            folder = self.folder / "_".join(["ours", str(mappers), *map(str, options.values())])
            return self._sample(
                folder,
                watch,
                mappers,
                {"init-centroids": self._initial, "labels": "labels.txt", **options},
            )

        return contender

    def _sample(self, folder: Path, watch: bool, mappers: int, options: Mapping[str, object]) -> Sample:
        ran = ours.master(
            folder,
            {
                **{"mappers": mappers, "reducers": 2, "k": self.size.k, "iters": self.iterations, "tol": 0},
                **{"input": self._points, **ours.one_thread_each(), **options},
            },
            watch=watch,
        )
        trace = ran.trace
        self._ran = trace.iterations
        details = {
            "iterations": trace.iterations,
            "first_iteration_s": trace.iterations_s[0],
            "later_iteration_s": trace.later_iteration_s,
            "with_scoring_s": trace.scored_s,
            "inertia": trace.inertia,
            "folder": str(folder),
        }
        return Sample(trace.fit_s, details, ran.finished.usage)

    def peer(self, library: str, dtype: str, threads: int = THREADS) -> Contender:
        """Return another library's fit."""

        def contender(watch: bool) -> Sample:
            out = self.folder / f"{library}_{dtype}.npz"
            iterations = self._ran if library == "faiss" else self.iterations
            files = ["--points", self._points, "--initial", self._initial]
            return peer(library, dtype, iterations, [*files, "--threads", threads], out, watch)

        return contender


def peer(
    library: str, dtype: str, iterations: int, arguments: list[object], out: Path, watch: bool
) -> Sample:
    """Run another library's fit; when the memory is watched, without the labels and inertia to check.

    Raises
    ------
    Unavailable
        It isn't installed, or failed.
    """
    module = peers.MODULES[library]
    if importlib.util.find_spec(module) is None:
        raise Unavailable(f"{module} is not installed")
    options = [*arguments, "--iterations", iterations, "--dtype", dtype, *([] if watch else ["--out", out])]
    finished = run(python("-m", "scripts.bench.peers", library, *options), out.parent, watch=watch)
    found: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return Sample(found.pop("seconds"), found | {"file": str(out)}, finished.usage)


def run_fit(bench: Bench, name: str, size: Size, kind: str) -> Outcome:
    """Measure one fit with all contenders, and compare what they found."""
    fit = Fit(bench, size, kind)
    series, skipped = alternate(fit.contenders(), bench.repeats)
    return Outcome(
        name,
        "fit",
        title(fit.size),
        {**vars(fit.size), "data": kind, "iterations at most": fit.iterations},
        series,
        skipped,
        facts=_checks(series),
    )


def title(size: Size) -> str:
    """Say a size in words."""
    return f"{size.rows:,} × {size.columns}, K = {size.k}"


def _checks(series: Mapping[str, Series]) -> dict[str, object]:
    """Compare the labels, centroids and inertia of ours with those of scikit-learn's lloyd and of faiss."""
    return {
        f"{one} against {other}": _difference(series[one], series[other])
        for one, other in (
            ("ours", "sklearn-lloyd"),
            ("ours", "sklearn-elkan"),
            ("ours float32", "sklearn-lloyd float32"),
            ("ours float32", "faiss"),
        )
        if one in series and other in series
    }


def _difference(one: Series, other: Series) -> dict[str, object]:
    folder = Path(one.details["folder"])
    found = np.load(other.details["file"])
    return {
        "rows of another label": int(np.count_nonzero(ours.result_labels(folder) != found["labels"])),
        "largest difference of a coordinate": float(
            np.abs(ours.result_centroids(folder) - found["centroids"]).max()
        ),
        "inertia ratio": one.details["inertia"] / other.details["inertia"],
    }
