"""The master: the command line, the algorithm's loop, the engines, the cluster, and the Python interface.

`from master import KMeans`, `KMeansSearch` and `LogisticRegression` give the estimators, `TextFile` what they
read; the command line never loads them.
"""

TYPE_CHECKING = False  # for type checkers; nothing is imported here, for `__main__` first says from where
if TYPE_CHECKING:
    from typing import Any

    from master.estimator import KMeans as KMeans
    from master.estimator import KMeansSearch as KMeansSearch
    from master.estimator import LogisticRegression as LogisticRegression
    from master.estimator import TextFile as TextFile

__all__ = ["KMeans", "KMeansSearch", "LogisticRegression", "TextFile"]


def __getattr__(name: str) -> "Any":
    if name in __all__:
        _check_names()
        import master.estimator

        return getattr(master.estimator, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _check_names() -> None:
    """Say which file of somebody else has the name of a package of ours, and is found first."""
    from importlib.util import find_spec
    from pathlib import Path

    for name in ("common", "protos"):
        origin = getattr(find_spec(name), "origin", None)
        if origin and not Path(origin).parent.samefile(Path(__file__).parents[1] / name):
            raise ImportError(f"{origin} hides the package {name!r} of kmeans-mapreduce: rename or move it")
