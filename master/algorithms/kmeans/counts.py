"""The options of a command that clusters, which may try several numbers of clusters."""

import re
from dataclasses import dataclass, fields
from typing import Self

from common.errors import UsageError
from master.algorithms.kmeans.config import KMeansConfig
from master.options.declare import required

_MOST = 1000
"""Each is a start of its own, whose centroids every iteration sends to every mapper."""
_PART = re.compile(r"(-?[0-9]{1,18})(?:\.\.(-?[0-9]{1,18}))?")


class ClusterCounts(tuple[int, ...]):
    """Numbers of clusters, in ascending order.

    Raises
    ------
    UsageError
        The text is no such numbers.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> Self:
        """Read "5", "2..10" or "2,4,8"; parts may be mixed."""
        ranges = [_range_of(part.strip(), text) for part in text.split(",")]
        if sum(map(len, ranges)) > _MOST:
            raise UsageError(f"--k {text} asks for more than {_MOST} numbers of clusters")
        return super().__new__(cls, sorted({k for each in ranges for k in each}))


def _range_of(part: str, text: str) -> range:
    found = _PART.fullmatch(part)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
    if last < first:
        raise UsageError(
            f"--k is {text}, but must be a number, a range such as 2..10, or a list such as 2,4,8"
        )
    return range(first, last + 1)


@dataclass(frozen=True)
class ClusteringOptions(KMeansConfig):
    """What `KMeansConfig` says, for one or several numbers of clusters."""

    k: ClusterCounts = required(  # type: ignore[assignment]  # `configs` have one each
        "Number of clusters, from 1 to the number of distinct rows. Of several (2..10 or 2,4,8), all are "
        "tried side by side, and measured.",
        metavar="K",
    )

    def __post_init__(self) -> None:
        configs = self.configs
        if len(configs) > 1 and self.init_centroids is not None:
            raise UsageError(
                "--init-centroids is a start of one --k; give one, or leave out --init-centroids"
            )

    @property
    def configs(self) -> tuple[KMeansConfig, ...]:
        """The configuration for each number of clusters."""
        values = {field.name: getattr(self, field.name) for field in fields(KMeansConfig)}
        return tuple(KMeansConfig(**(values | {"k": k})) for k in self.k)
