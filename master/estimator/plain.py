"""What the estimator takes from scikit-learn, in few lines, for an installation without it."""

import inspect
from typing import Any, Self

import numpy as np

from common.model import PointArray


class NotFittedError(ValueError, AttributeError):
    """The estimator has not been fitted; scikit-learn's error of that name has the same bases."""


class Base:
    """An estimator whose parameters are the arguments of its `__init__`, kept under their names."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters."""
        for name, value in params.items():
            if name not in self._names():
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}")
            setattr(self, name, value)
        return self

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, then transform the same data."""
        return self.fit(X).transform(X)  # type: ignore[attr-defined]

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Name the columns that `transform` returns: kmeans0, kmeans1, ..."""
        check_fitted(self)
        columns: int = self._n_features_out  # type: ignore[attr-defined]
        return np.array([f"{type(self).__name__.lower()}{i}" for i in range(columns)], dtype=object)

    def __repr__(self) -> str:
        defaults = inspect.signature(type(self)).parameters
        changed = {n: v for n, v in self.get_params().items() if repr(v) != repr(defaults[n].default)}
        return f"{type(self).__name__}({', '.join([f'{name}={value!r}' for name, value in changed.items()])})"

    @classmethod
    def _names(cls) -> list[str]:
        return sorted(inspect.signature(cls).parameters)


def check_fitted(estimator: Any) -> None:
    """Raise NotFittedError if `fit` has not been called."""
    if not hasattr(estimator, "cluster_centers_"):
        raise NotFittedError(f"this {type(estimator).__name__} is not fitted yet; call fit first")


def dense_rows(estimator: Any, X: Any, *, reset: bool) -> PointArray:
    """Return rows of float32 or float64 numbers, C-contiguous, or raise ValueError.

    Parameters
    ----------
    estimator
        Learns the number of columns and their names, or is asked for them.
    X
        Shape (rows, columns): an array, a data frame or what NumPy makes an array of.
    reset
        Learn; otherwise check.
    """
    if hasattr(X, "tocsr"):
        raise TypeError("sparse rows are not supported; X.toarray() makes them dense")
    points = np.asarray(X)
    if points.dtype.kind == "c":
        raise ValueError("Complex data not supported")
    points = np.ascontiguousarray(points, np.float32 if points.dtype == np.float32 else np.float64)
    if points.ndim != 2:
        raise ValueError(f"Expected 2D array, got {points.ndim}D array; X.reshape(-1, 1) makes one column")
    if not points.size:
        raise ValueError(f"Found array of shape {points.shape}; a minimum of 1 row and 1 column is required")
    if not np.isfinite(points).all():
        raise ValueError("Input X contains NaN or infinity")
    _check_columns(estimator, X, points.shape[1], reset=reset)
    return points


def _check_columns(estimator: Any, X: Any, columns: int, *, reset: bool) -> None:
    names = list(getattr(X, "columns", []))
    known = np.array(names, dtype=object) if names and all(isinstance(n, str) for n in names) else None
    if reset:
        estimator.n_features_in_ = columns
        vars(estimator).pop("feature_names_in_", None)
        if known is not None:
            estimator.feature_names_in_ = known
    if columns != estimator.n_features_in_:
        raise ValueError(
            f"X has {columns} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    fitted = getattr(estimator, "feature_names_in_", None)
    if known is not None and fitted is not None and list(known) != list(fitted):
        raise ValueError(f"the columns are named {list(known)}, but were {list(fitted)} in fit")
