"""What happens in K-Means. `start` says which of several starts it is; it is left out if there is one."""

from dataclasses import dataclass

from common.events.catalogue.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Event):
    """The ranges of the input's columns are known."""

    rows: int
    columns: int
    lowest: tuple[float, ...]
    highest: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InitRound(Event):
    """A round of k-means|| has drawn candidates for the initial centroids."""

    round: int
    candidates: int
    cost: float


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialCentroids(Event):
    """A start has its initial centroids; a `centroid` line for each follows."""

    start: int | None = None
    iteration: int
    k: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Centroid(Event):
    """A centroid after an iteration; iteration 0 means the initial one."""

    start: int | None = None
    iteration: int
    key: int
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyCluster(Event):
    """A cluster has no member: it keeps its centroid, or takes the row farthest from its own."""

    start: int | None = None
    iteration: int
    key: int
    action: str
    row: int | None = None
    distance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationFinished(Event):
    """A start has finished an iteration: its clusters' sizes, and the inertia unless rounding hides it."""

    start: int | None = None
    iteration: int
    shift: float
    sizes: tuple[int, ...]
    inertia: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inertia(Event):
    """The inertia after an iteration was measured; the estimator asks for this by compute_sse."""

    start: int | None = None
    iteration: int
    inertia: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Event):
    """A start has run its last iteration, and its result is measured."""

    start: int | None = None
    reason: str
    iterations: int
    inertia: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BestStart(Event):
    """Of several starts, the one with the least inertia is the result."""

    start: int
    of: int
    inertia: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clusters(Event):
    """The clusters of the result."""

    sizes: tuple[int, ...]
    inertia: float
