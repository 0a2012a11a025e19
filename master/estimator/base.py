"""What the estimator stands on: scikit-learn if it is installed, a few lines of our own otherwise."""

from typing import TYPE_CHECKING, Any

import numpy as np

from common.formats.columns import are_usable
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatType, PointArray

if TYPE_CHECKING:
    from master.estimator.plain import Base, check_fitted, dense_rows
else:
    try:
        from sklearn.base import (
            BaseEstimator,
            ClassNamePrefixFeaturesOutMixin,
            ClusterMixin,
            TransformerMixin,
        )
        from sklearn.utils.validation import check_is_fitted as check_fitted
        from sklearn.utils.validation import validate_data
    except ImportError:  # not there, or older than 1.6
        from master.estimator.plain import Base, check_fitted, dense_rows
    else:

        class Base(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
            """An estimator as scikit-learn knows it: its tags, its clone, its output containers."""

        def dense_rows(estimator: Any, X: Any, *, reset: bool) -> PointArray:
            """Check rows by scikit-learn's rules; see `plain.dense_rows`."""
            return validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32], order="C")


__all__ = ["Base", "check_fitted", "checked_rows"]


def checked_rows(estimator: Any, X: Any, *, reset: bool) -> PointArray:
    """Return rows that can be clustered, or raise ValueError; see `plain.dense_rows`."""
    points: PointArray = np.require(dense_rows(estimator, X, reset=reset), requirements=["C", "ALIGNED"])
    if not are_usable(points, FloatType(points.dtype.name)):
        raise ValueError(f"X holds numbers beyond ±{LARGEST_MAGNITUDE:.3g}, where squared distances overflow")
    return points
