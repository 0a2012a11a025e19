"""One of several ways from initial centroids to a result, and its progress."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from common.errors import counted
from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.nearest.distance import largest_shift
from common.model import FloatArray, Key
from master.algorithms.base import Progress
from master.algorithms.kmeans.config import KMeansConfig


@dataclass
class Start:
    """One of several ways from initial centroids.

    `keys` are its clusters' keys. `shown` is its number, from 1, or None if there is one start.
    """

    keys: range
    shown: int | None
    centroids: FloatArray
    n_iter: int = 0
    shift: float = np.inf
    history: tuple[float, ...] = ()

    def progress(self) -> Progress:
        """Return what it takes to go on."""
        return {
            "n_iter": np.array(self.n_iter),
            "shift": np.array(self.shift),
            "centroids": self.centroids,
        }

    @property
    def fields(self) -> dict[str, Any]:
        """What its events have in common."""
        return {"start": self.shown, "iteration": self.n_iter}

    def move(self, found: dict[Key, FloatArray], iteration: int) -> FloatArray:
        """Take the centroids that an iteration found; return how many members each has, or their weight."""
        moved, sizes = self.centroids.copy(), np.zeros(len(self.centroids))
        for index, key in enumerate(self.keys):
            if key in found:
                moved[index], sizes[index] = found[key][0, :-1], found[key][0, -1]
        self.n_iter, self.shift = iteration, largest_shift(self.centroids, moved)
        self.centroids = moved
        return sizes

    def goes_on(self, config: KMeansConfig) -> bool:
        """Tell whether it needs another iteration."""
        return self.n_iter == 0 or (self.n_iter < config.iterations and self.shift > config.tol)


def check_start(was: Progress, k: int, columns: int) -> int:
    """Return how many iterations a start has run; ValueError if this is no start's progress."""
    if was.keys() != {"n_iter", "shift", "centroids"}:
        raise ValueError(f"a start with {', '.join(was)}")
    n_iter, shift, centroids = was["n_iter"], was["shift"], was["centroids"]
    if [array.dtype.str[1:] for array in (n_iter, shift, centroids)] != ["i8", "f8", "f8"]:
        raise ValueError("a start's numbers have other types")
    if (n_iter.shape, shift.shape, centroids.shape) != ((), (), (k, columns)):
        raise ValueError(f"a start with centroids of shape {centroids.shape}, not {(k, columns)}")
    is_begun = n_iter >= 0 and shift >= 0 and np.isinf(shift) == (n_iter == 0)
    if not (is_begun and np.all(abs(centroids) <= LARGEST_MAGNITUDE)):
        raise ValueError("a start's numbers are out of range")
    return int(n_iter)


def check_starts(
    parts: Sequence[Progress], configs: Sequence[KMeansConfig], columns: int, iteration: int
) -> None:
    """Raise ValueError unless these are the configurations' starts, and one has run so many iterations."""
    counts = [config.k for config in configs for _ in range(config.n_init)]
    if len(parts) != len(counts):
        raise ValueError(f"{len(parts)} starts, not {len(counts)}")
    if max(check_start(part, k, columns) for part, k in zip(parts, counts, strict=True)) != iteration:
        raise ValueError(f"no start has run {counted(iteration, 'iteration')}")
