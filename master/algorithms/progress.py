"""How far a run has come, and where that is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from common.model import FloatArray


@dataclass(frozen=True)
class Progress:
    """How far one start has come.

    Parameters
    ----------
    centroids
        Shape (k, d); never written to.
    n_iter
        Iterations run.
    shift
        How far the last one moved a centroid at most; infinity before the first.
    """

    centroids: FloatArray
    n_iter: int = 0
    shift: float = np.inf


class Checkpoints(Protocol):
    """Where the progress of all starts is kept, so that another run can go on from there.

    Whatever the rest of a fit depends on is in the progress, the configuration and the input: all
    that is drawn at random is drawn before the first progress is saved.
    """

    def resumed(self) -> Sequence[Progress] | None:
        """Return where to go on, one for each start; None to begin anew."""

    def save(self, starts: Sequence[Progress]) -> None:
        """Keep this; called with the initial centroids and after each iteration."""


class NoCheckpoints:
    """Keeps nothing."""

    def resumed(self) -> None:
        """Begin anew."""

    def save(self, starts: Sequence[Progress]) -> None:
        """Do nothing."""
