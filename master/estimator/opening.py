"""Open what a model is given as `X`: learn its columns in a fit, and check them afterwards."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from common.errors import UsageError
from common.formats.columns import ColumnChoice
from common.kernels.sparse import SparseRows
from common.model import PointArray
from master.engines.table import IN_THIS_PROCESS
from master.estimator.arrays import Look, check_rows, check_weights, column_of_weights
from master.estimator.checks import translate_option_names
from master.estimator.parameters import run_settings
from master.estimator.sources import (
    Data,
    RunSettings,
    kind_of,
    open_array,
    open_data,
    open_file,
    open_weighted,
)
from master.estimator.text_file import TextFile


class OpensRows(BaseEstimator):  # type: ignore[misc]
    """A model that has the parameters of `KMeans`."""

    engine: str
    columns: str | None
    scale: bool
    metric: str

    @contextmanager
    def _open(self, X: Any, weights: Any = None, *, reset: bool, look: Look | None = None) -> Iterator[Data]:
        """Open the data. Fitting (reset) learns the columns; otherwise they must be those of the fit.

        Only fitting starts processes for an array. `look` looks at the numbers of a dense one.
        """
        with translate_option_names():
            kind = kind_of(X)
            if kind == "file":
                X = TextFile.of(X, self.columns)
            elif self.columns is not None:
                raise UsageError("columns applies only to files; select the columns of other data before fit")
            if kind == "array":
                engine = self.engine if reset else IN_THIS_PROCESS
                settings, rows = run_settings(self, engine), self._rows(X, reset=reset, look=look)
                with self._open_array(rows, weights, settings) as data:
                    yield data
            else:
                choice = ColumnChoice(weights=column_of_weights(weights, kind))
                opened = partial(open_file, choice=choice) if kind == "file" else open_data
                with opened(X, run_settings(self, self.engine)) as data:
                    self._check_columns(data.columns, data.names, reset=reset)
                    yield data

    def _open_array(
        self, points: PointArray | SparseRows, weights: Any, settings: RunSettings
    ) -> AbstractContextManager[Data]:
        if weights is None:
            return open_array(points, settings)
        return open_weighted(points, check_weights(weights, points), settings)

    def _rows(self, X: Any, *, reset: bool, look: Look | None = None) -> PointArray | SparseRows:
        """Return the rows of an array."""
        rows = check_rows(self, X, reset=reset, look=look)
        if isinstance(rows, SparseRows) and (self.scale or self.metric != "euclidean"):
            raise ValueError("scale and metric='cosine' need dense rows; give X.toarray()")
        return rows

    def _check_columns(self, columns: int, names: tuple[str, ...] = (), *, reset: bool) -> None:
        """Check or learn the columns of data that are not an array."""
        if reset:
            self.n_features_in_ = columns
            self._forget("feature_names_in_")
            if names:
                self.feature_names_in_ = np.array(names, dtype=object)
        elif columns != self.n_features_in_:
            raise UsageError(f"X has {columns} columns, but fit saw {self.n_features_in_}")
        elif names and names != tuple(getattr(self, "feature_names_in_", names)):
            fitted = ", ".join(self.feature_names_in_)
            raise UsageError(f"the columns of X ({', '.join(names)}) differ from those in fit ({fitted})")

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)
