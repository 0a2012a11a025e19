"""What the user asked of K-Means: frozen, and validated once."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from common.errors import UsageError
from common.model import FloatArray
from master.options.declare import at_least, at_most, option, required


@dataclass(frozen=True)
class KMeansConfig:
    """What K-Means needs to know; what an option means is its help.

    `initial` are the centroids of the file `init_centroids`, shape (k, d), or of the caller, who may give
    those of every start, shape (n_init, k, d). `history` asks for the inertia after each iteration, which
    takes one job more for each. `logged` is for people who read the log: it has the centroids, and the
    inertia of each iteration, for one job more at the beginning. `single` is for rows in float32: the
    centroids found are rounded to it before they are measured, if their unit is the input's.

    Raises
    ------
    UsageError
        A value is invalid.
    """

    title: ClassVar[str] = "Clustering"

    k: int = required("Number of clusters, from 1 to the number of distinct rows.")
    iterations: int = required("Maximum number of iterations, from 1.", name="--iters")
    seed: int = option(0, "Seed for every random choice, from 0.")
    tol: float = option(
        1e-4,
        "Stop when no centroid moved farther than this distance, in the unit of the input; "
        "0: stop when none moved at all.",
    )
    init: Literal["random", "k-means++"] = option(
        "random",
        "Start from random rows, or from points that lie far apart, found by scalable k-means++ (k-means||).",
    )
    init_centroids: Path | None = option(
        None,
        "Start from the centroids in this file, one a row.",
        metavar="FILE",
    )
    n_init: int = option(1, "Number of starts to try, from 1; the one with the least inertia is kept.")
    on_empty: Literal["farthest", "keep"] = option(
        "farthest",
        "An empty cluster takes the point farthest from its centroid, or keeps its centroid.",
    )
    scale: bool = option(
        False,
        "Cluster rows whose columns have mean 0 and standard deviation 1; --tol and the inertia are in that "
        "unit, centroids in that of the input.",
    )
    metric: Literal["euclidean", "cosine"] = option(
        "euclidean",
        "cosine: cluster rows divided by their lengths; centroids are divided by theirs at the end.",
    )
    weights: str | None = option(
        None,
        "Column of weights, by name or by position from 1: a row of weight w counts as w rows would, one of "
        "weight 0 as none.",
        metavar="COLUMN",
    )
    initial: FloatArray | None = None
    history: bool = False
    logged: bool = True
    single: bool = False

    @property
    def unit_is_inputs(self) -> bool:
        """Whether rows are clustered as they are in the input."""
        return not self.scale and self.metric == "euclidean"

    def as_kept(self, centroids: FloatArray) -> FloatArray:
        """Return centroids as a result has them."""
        if not (self.single and self.unit_is_inputs):
            return centroids
        rounded: FloatArray = centroids.astype(np.float32).astype(np.float64)
        return rounded

    def __post_init__(self) -> None:
        at_least("--k", self.k, 1)
        at_least("--iters", self.iterations, 1)
        at_least("--tol", self.tol, 0)
        at_least("--n-init", self.n_init, 1)
        at_least("--seed", self.seed, 0)
        at_most("--seed", self.seed, 2**63 - 1)
        if self.initial is None:
            return
        if (given := self.initial.shape[-2]) != self.k:
            raise UsageError(f"--init-centroids holds {given} centroids, but --k is {self.k}")
        if self.initial.ndim == 2 and self.n_init > 1:
            raise UsageError(
                "--n-init and --init-centroids exclude each other: --init-centroids is the only start"
            )
