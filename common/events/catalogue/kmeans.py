"""What happens in K-Means. `start` says which of several starts it is; it is left out if there is one."""

from common.events.catalogue.base import Event


class Input(Event):
    """The ranges of the input's columns are known."""

    rows: int
    columns: int
    lowest: tuple[float, ...]
    highest: tuple[float, ...]


class InitRound(Event):
    """A round of k-means|| has drawn candidates for the initial centroids."""

    round: int
    candidates: int
    cost: float


class IterationEvent(Event, abstract=True):
    """Something in an iteration of a start."""

    start: int | None = None
    iteration: int


class InitialCentroids(IterationEvent):
    """A start has its initial centroids; a `centroid` line for each follows."""

    k: int


class Centroid(IterationEvent):
    """A centroid after an iteration; iteration 0 means the initial one."""

    key: int
    value: str


class EmptyCluster(IterationEvent):
    """A cluster has no member: it keeps its centroid, or takes the row farthest from its own."""

    key: int
    action: str
    row: int | None = None
    distance: float | None = None


class IterationFinished(IterationEvent):
    """A start has finished an iteration.

    Sizes and inertia are those of the clusters whose means are the new centroids; with `--weights` a size is
    a weight. The inertia is left out where rounding would hide it.
    """

    shift: float
    sizes: tuple[int | float, ...] = ()
    inertia: float | None = None


class Inertia(IterationEvent):
    """The inertia of the new centroids, each row in its nearest cluster; compute_sse asks for it."""

    inertia: float


class Stopped(Event):
    """A start has run its last iteration, and its result is measured."""

    start: int | None = None
    reason: str
    iterations: int
    inertia: float


class BestStart(Event):
    """Of several starts, the one with the least inertia is the result."""

    start: int
    of: int
    inertia: float


class ClustersMeasured(Event):
    """The clusters of a result are measured: given ones, or those of one of several K.

    What is not defined is left out: for one cluster, and if each row is one. docs/CHOOSING_K.md says what the
    measures are.
    """

    start: int | None = None
    k: int
    iterations: int | None = None
    inertia: float
    calinski_harabasz: float | None = None
    davies_bouldin: float | None = None
    silhouette: float | None = None
    simplified_silhouette: float | None = None


class ClustersChosen(Event):
    """Of several K, the one of the greatest silhouette is the result; of equal ones the least."""

    start: int
    k: int
    of: int
    by_calinski_harabasz: int | None = None
    by_davies_bouldin: int | None = None
    by_silhouette: int | None = None
    by_simplified_silhouette: int | None = None


class ResultInDoubt(Event):
    """The result is of little use.

    `--tol` ended the best start while a centroid still moved by more than a hundredth of the widest column's
    range; or the values differ by less than 2**-511, where squared distances lose digits or vanish.
    """

    start: int | None = None
    reason: str


class Clusters(Event):
    """The clusters of the result; with `--weights` a size is a weight."""

    sizes: tuple[int | float, ...]
    inertia: float
