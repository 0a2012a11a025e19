"""A user's array, data frame or nested list as rows that can be clustered, or one line that says why not."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array as check_floats
from sklearn.utils.validation import _check_sample_weight, validate_data

from common.engines.vectors import Flaw, find_flaw, is_masked, length_of
from common.errors import UsageError, printable
from common.formats.columns import are_usable
from common.kernels.exact import LARGEST_MAGNITUDE
from common.kernels.nearest.distance import worth_scores
from common.kernels.parallel import in_parallel
from common.kernels.sparse import SparseRows
from common.machine import cores
from common.model import FloatArray, FloatType, IntArray, PointArray
from master.estimator.checks import text as checked_text
from master.estimator.checks import threads_of

Look = Callable[[PointArray], bool]
"""Looks at all numbers; tells whether they can be used."""

_BLOCK_ROWS = 4096
_NOT_OF_A_VALUE = ("Expected", "Found", "Complex", "X has")
"""How scikit-learn's messages begin that are not about some value in the array."""

_SHOWN_ARRAY = re.compile(r"\n(array=|\[).*?(\n(?=[A-Z])|$)", re.DOTALL)
"""The lines of such a message that show the array."""


def check_rows(model: Any, X: Any, *, reset: bool, look: Look | None = None) -> PointArray | SparseRows:
    """Return rows as `check_array` does, or those of a sparse matrix."""
    if issparse(X):
        return _check_sparse(model, X, reset=reset)
    return check_array(model, X, reset=reset, look=look)


def check_array(model: Any, X: Any, *, reset: bool, look: Look | None = None) -> PointArray:
    """Return the rows; scikit-learn learns (reset) or checks their columns. `look` looks at the numbers.

    Raises
    ------
    ValueError, TypeError
        As scikit-learn does, but in one line, which names the row and the column.
    """
    if is_masked(X) and (flaw := _find_flaw(X)):
        raise ValueError(in_words(X, flaw))
    threads = threads_of(model) or cores()
    as_floats: dict[str, Any] = {"dtype": [np.float64, np.float32], "order": "C"}
    try:
        # Ours looks at all numbers once. Only if it finds some that can't be used does scikit-learn, too.
        checked = check_floats(X, **as_floats, ensure_all_finite=False, estimator=model, input_name="X")
        usable = look(checked) if look else _look(checked, threads)
        validate_data(model, X, reset=reset, skip_check_array=usable, **({} if usable else as_floats))
    except (TypeError, ValueError, OverflowError) as error:
        if str(error).startswith("The feature names"):
            raise
        raise _in_one_line(X, error) from None
    points: PointArray = np.require(checked, requirements=["C", "ALIGNED"])
    if not usable and (flaw := _find_flaw(points)):
        what = f"a number beyond ±{LARGEST_MAGNITUDE:.3g}, where squared distances overflow"
        raise ValueError(in_words(X, flaw._replace(what=what)))
    return points


def _look(points: PointArray, threads: int) -> bool:
    kind = FloatType(points.dtype.name)
    return all(in_parallel(lambda part: [are_usable(points[part], kind)], points, threads))


class Labelling:
    """Looks at an array's numbers while it labels the rows, if they are many: that takes no time of its own.

    Afterwards `labels` has the nearest centroid of each row, shape (n,), or is None.
    """

    def __init__(self, model: Any, centroids: FloatArray) -> None:
        self._model, self._centroids = model, centroids
        self.labels: IntArray | None = None

    def __call__(self, points: PointArray) -> bool:
        """Tell whether all numbers can be used."""
        centroids, threads = self._centroids, threads_of(self._model) or cores()
        if points.shape[1] != centroids.shape[1] or not worth_scores(points, centroids):
            return _look(points, threads)
        from common.kernels.nearest.assigning import label_usable

        self.labels = labels = np.empty(len(points), np.int32)
        return all(
            in_parallel(lambda part: [label_usable(points[part], centroids, labels[part])], points, threads)
        )


def _check_sparse(model: Any, X: Any, *, reset: bool) -> SparseRows:
    matrix = validate_data(model, X, reset=reset, accept_sparse="csr", dtype=[np.float64, np.float32])
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    if not matrix.data.all():
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    if not are_usable(matrix.data, FloatType(matrix.dtype.name)):
        raise ValueError(
            f"X holds a number beyond ±{LARGEST_MAGNITUDE:.3g}, where squared distances overflow"
        )
    places = np.ascontiguousarray(matrix.indices, np.int32)
    starts = np.ascontiguousarray(matrix.indptr, np.int64)
    return SparseRows(np.ascontiguousarray(matrix.data), places, starts, matrix.shape[1])


def check_weights(sample_weight: Any, points: PointArray | SparseRows) -> FloatArray:
    """Return the rows' weights, shape (rows,); ValueError if they are not all numbers from 0."""
    weights: FloatArray = _check_sample_weight(sample_weight, points, dtype=np.float64)
    if not are_usable(weights, FloatType.FLOAT64):
        raise ValueError(f"sample_weight holds a number beyond ±{LARGEST_MAGNITUDE:.3g}")
    if (negative := np.flatnonzero(weights < 0)).size:
        row = negative[0]
        raise ValueError(
            f"sample_weight, row {row + 1}: {weights[row]} is negative, which a weight must not be"
        )
    return weights


def column_of_weights(sample_weight: Any, kind: str) -> str | None:
    """Return which column of a file holds the rows' weights, if one does."""
    if sample_weight is None:
        return None
    if kind != "file":
        raise UsageError(
            f"sample_weight must be None for data on {kind}; give a file, which has them in a column"
        )
    return checked_text(
        "sample_weight", sample_weight, "'weight', the name of the column that holds a file's weights"
    )


def _in_one_line(X: Any, error: Exception) -> Exception:
    """Return scikit-learn's error, or NumPy's, with the place where it can be found."""
    text = str(error)
    flaw = None if text.startswith(_NOT_OF_A_VALUE) else _find_flaw(X)
    kind = TypeError if isinstance(error, TypeError) and not (flaw and flaw.missing) else ValueError
    if flaw:
        return kind(in_words(X, flaw))
    if length_of(X) is None and not hasattr(X, "__array__") and not hasattr(X, "shape"):
        return kind(f"Expected 2D array, got {type(X).__name__} instead")
    names = [name for name in names_of(X) if isinstance(name, str)]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        return kind(f"X has more than one column with the name {twice[0]!r}; give each a name of its own")
    return kind(printable(" ".join(_SHOWN_ARRAY.sub("\n", text).splitlines())))


def _find_flaw(X: Any) -> Flaw | None:
    """Find the first row of an array, a list or a data frame that is not a vector of numbers."""
    if length_of(X) is None or not (isinstance(X, list | tuple | np.ndarray) or hasattr(X, "columns")):
        return None
    shape = getattr(X, "shape", None) or (len(X), length_of(X[0]))
    if len(shape) != 2 or shape[1] is None:
        return None
    rows = getattr(X, "iloc", X)
    for start in range(0, len(X), _BLOCK_ROWS):
        block = rows[start : start + _BLOCK_ROWS]
        some = block if isinstance(block, list | tuple | np.ndarray) else np.array(block, object)
        if flaw := find_flaw(some, shape[1], FloatType.FLOAT64):
            return flaw._replace(row=start + flaw.row)
    return None


def in_words(X: Any, flaw: Flaw) -> str:
    """Name the place, from 1 and as Python does, and say what to do."""
    names, label = names_of(X), ""
    if flaw.column is not None:
        label = repr(names[flaw.column]) if names else str(flaw.column + 1)
        if hasattr(X, "iloc"):
            label += f" (X.iloc[{flaw.row}, {flaw.column}])"
        elif not names:
            label += f" (X[{flaw.row}][{flaw.column}])"
    remedy = f"; drop the rows with {flaw.missing}, or fill in numbers" if flaw.missing else ""
    return printable(flaw.at("X", {flaw.column: label}) + remedy)


def names_of(X: Any) -> list[Any]:
    """Return the names of a data frame's columns, of pandas, polars or pyarrow; else an empty list."""
    if hasattr(X, "iloc"):
        return X.columns.tolist() if hasattr(X, "columns") else []
    return list(getattr(X, "column_names", getattr(X, "columns", ())))
