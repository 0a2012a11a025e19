"""What the user asked of K-Means: frozen, and validated once."""

from dataclasses import dataclass
from typing import Literal

from common.errors import UsageError
from common.model import FloatArray
from master.options.groups import at_least, at_most


@dataclass(frozen=True)
class KMeansConfig:
    """What K-Means needs to know; the options' meaning is in the command line's help.

    `history` asks for the inertia after each iteration, which takes one job more for each.

    Raises
    ------
    UsageError
        A value makes no sense.
    """

    k: int
    iterations: int
    tol: float = 1e-4
    init: Literal["random", "k-means++"] = "random"
    initial: FloatArray | None = None
    n_init: int = 1
    on_empty: Literal["farthest", "keep"] = "farthest"
    seed: int = 0
    history: bool = False

    def __post_init__(self) -> None:
        at_least("--k", self.k, 1)
        at_least("--iters", self.iterations, 1)
        at_least("--tol", self.tol, 0)
        at_least("--n-init", self.n_init, 1)
        at_least("--seed", self.seed, 0)
        at_most("--seed", self.seed, 2**63 - 1)
        if self.initial is not None and len(self.initial) != self.k:
            raise UsageError(f"--init-centroids holds {len(self.initial)} centroids, but --k is {self.k}")
        if self.initial is not None and self.n_init > 1:
            raise UsageError("--n-init needs starts to choose from, but --init-centroids gives the one")
