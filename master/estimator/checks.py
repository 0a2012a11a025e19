"""Check parameters, and name them in error messages, where the command line names options."""

import operator
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from common.errors import UsageError, UserError
from common.formats.columns import HOW_TO_GO_ON
from master.algorithms.kmeans.loop import KMeansResult
from master.options.declare import at_least

_OPTIONS = {
    "--k": "n_clusters",
    "--iters": "max_iter",
    "--seed": "random_state",
    "--init-centroids": "init",
    "--on-empty": "on_empty",
    "--categories": "categorical_features",
    "--n-init": "n_init",
    "--skip-rows": "skip_rows",
    "--data-dir": "the temporary folder",
    "--weights sample_weight": "sample_weight",
    "--weights": "sample_weight",
}
"""Options with another name in the estimator; the others only lose their dashes."""

_OF_TEXT = re.compile("--(header|delimiter|quote|decimal|missing) (yes|none|no|space|drop|[.,])")
"""An option of text files with the value that a message recommends."""


@contextmanager
def translate_option_names() -> Iterator[None]:
    """Turn errors that the user can correct into ValueError, with the estimator's names for options."""
    try:
        yield
    except UserError as error:
        raise ValueError(with_parameters(str(error))) from None


def with_parameters(text: str) -> str:
    """Replace the names of options by those of the estimator's parameters, and by what `TextFile` takes."""
    text = text.replace(HOW_TO_GO_ON, "drop such rows, or fill something in")
    text = _OF_TEXT.sub(r"TextFile(..., \1='\2')", text)
    return re.sub(
        "--weights sample_weight|--[a-z-]+", lambda option: _OPTIONS.get(option[0], option[0][2:]), text
    )


def doubts_about_copies(result: KMeansResult) -> Iterator[str]:
    """Doubt a result with clusters that no row is in, in scikit-learn's words."""
    k, filled = len(result.centroids), np.count_nonzero(result.sizes)
    if filled < k:
        yield (
            f"Number of distinct clusters ({filled}) found smaller than n_clusters ({k}). "
            "Possibly due to duplicate points in X."
        )


def integer(name: str, value: Any) -> int:
    """Return an integer; UsageError if it is none."""
    try:
        return operator.index(value)
    except TypeError:
        raise UsageError(f"{name} is {value!r}, but must be an integer") from None


def threads_of(model: Any) -> int:
    """Return how many threads a model names, 0 if none; ValueError if that is no number from 1."""
    if model.threads is None:
        return 0
    with translate_option_names():
        threads = integer("threads", model.threads)
        at_least("threads", threads, 1)
    return threads


def one_of(name: str, value: Any, *known: str | None) -> Any:
    """Return the value; UsageError if it is not one of those known."""
    if value not in known:
        raise UsageError(f"{name} is {value!r}, but must be one of {', '.join(map(repr, known))}")
    return value


def text(name: str, value: Any, example: str) -> str:
    """Return a text; UsageError, with an example, if it is none."""
    if not isinstance(value, str):
        raise UsageError(f"{name} is {value!r}, but must be text such as {example}")
    return value
