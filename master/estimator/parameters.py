"""The estimator's parameters as the configuration of a run, and its names in error messages."""

import operator
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from common.engines.vectors import is_masked
from common.errors import UsageError, UserError
from common.formats.columns import HOW_TO_GO_ON, are_usable
from common.machine import cores
from common.model import FloatArray, FloatType
from master.algorithms.kmeans.config import KMeansConfig
from master.engines.table import ENGINES
from master.estimator.sources import Data, RunSettings
from master.options.declare import EngineName, at_least
from master.options.groups import WorkerOptions

_OPTIONS = {
    "--k": "n_clusters",
    "--iters": "max_iter",
    "--seed": "random_state",
    "--init-centroids": "init",
    "--on-empty": "on_empty",
    "--n-init": "n_init",
    "--data-dir": "the temporary folder",
}
"""Options with another name in the estimator; the others only lose their dashes."""


def run_settings(model: Any, engine: str) -> RunSettings:
    """Return how a model's jobs run on an engine."""
    if not isinstance(model.columns, str | None):
        raise UsageError(f"columns is {model.columns!r}, but must be text such as 'x,y' or '1,3-5'")
    if model.threads is not None:
        at_least("threads", integer("threads", model.threads), 1)
    workers = WorkerOptions(
        engine=EngineName(one_of("engine", engine, *ENGINES)),
        mappers=cores() if model.mappers is None else integer("mappers", model.mappers),
        reducers=integer("reducers", model.reducers),
        threads=0 if model.threads is None else int(model.threads),
    )
    dump = None if model.dump is None else Path(model.dump)
    return RunSettings(workers, model.columns, dump, verbose=bool(model.verbose))


def kmeans_config(model: Any, data: Data) -> KMeansConfig:
    """Return what a model's fit to the data does."""
    k = integer("n_clusters", model.n_clusters)
    if k > data.rows:
        raise UsageError(f"n_samples={data.rows} is less than n_clusters={k}")
    named = isinstance(model.init, str)
    one_of("algorithm", model.algorithm, "lloyd", "elkan")
    return KMeansConfig(
        k=k,
        iterations=integer("max_iter", model.max_iter),
        tol=float(model.tol),
        init=one_of("init", model.init, "random", "k-means++") if named else "random",
        initial=None if named else _start(model.init, k, data.columns),
        n_init=_starts(model.n_init, model.init),
        on_empty=one_of("on_empty", model.on_empty, "farthest", "keep"),
        seed=_seed(model.random_state),
        history=bool(model.compute_sse),
        logged=model.dump is not None or bool(model.verbose),
    )


def refuse_weights(sample_weight: Any = None) -> None:
    """Raise NotImplementedError if rows are to be weighted."""
    if sample_weight is not None:
        raise NotImplementedError("sample_weight must be None: rows cannot be weighted yet")


@contextmanager
def translate_option_names() -> Iterator[None]:
    """Turn errors that the user can correct into ValueError, with the estimator's names for options."""
    try:
        yield
    except UserError as error:
        raise ValueError(with_parameters(str(error))) from None


def with_parameters(text: str) -> str:
    """Replace the names of options by those of the estimator's parameters."""
    text = text.replace(HOW_TO_GO_ON, "drop such rows, or fill something in")
    return re.sub("--[a-z-]+", lambda option: _OPTIONS.get(option[0], option[0][2:]), text)


def integer(name: str, value: Any) -> int:
    """Return a parameter's value as an integer; UsageError if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{name} is {value!r}, but must be an integer") from None


def one_of(name: str, value: Any, *known: str | None) -> Any:
    """Return a parameter's value; UsageError if it is not one of those known."""
    if value not in known:
        raise UsageError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, known))}")
    return value


def _starts(n_init: Any, init: Any) -> int:
    """Return how many starts to try; "auto" is scikit-learn's."""
    named = isinstance(init, str)
    if isinstance(n_init, str) and n_init == "auto":
        return 10 if named and init == "random" else 1
    starts = integer("n_init", n_init)
    if named or starts <= 1:
        return starts
    warnings.warn(f"init is the only start; n_init={starts} is ignored", RuntimeWarning, stacklevel=4)
    return 1


def _start(init: Any, k: int, columns: int) -> FloatArray:
    if is_masked(init):
        raise UsageError("init holds masked values; fill in numbers")
    try:
        centroids = np.array(init, np.float64)
    except (TypeError, ValueError):
        raise UsageError("init must be 'k-means++', 'random' or an array of numbers") from None
    if centroids.shape != (k, columns):
        raise UsageError(f"init has shape {centroids.shape}, expected ({k}, {columns})")
    if not are_usable(centroids, FloatType.FLOAT64):
        raise UsageError("init holds nan, infinity or a number that is too large")
    return centroids


def _seed(random_state: Any) -> int:
    if random_state is None:
        random_state = np.random.default_rng()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63 - 1, dtype=np.int64))
    return integer("random_state", random_state)
