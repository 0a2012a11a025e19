"""The master: the command line, the algorithm's loop, the engines, the cluster, and the Python interface.

`from master import KMeans` gives the estimator; the command line never loads it.
"""

TYPE_CHECKING = False  # for type checkers; nothing is imported here, for `__main__` first says from where
if TYPE_CHECKING:
    from typing import Any

    from master.estimator import KMeans as KMeans

__all__ = ["KMeans"]


def __getattr__(name: str) -> "Any":
    if name == "KMeans":
        from master.estimator import KMeans

        return KMeans
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
