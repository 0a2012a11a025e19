"""Logistic regression with scikit-learn's interface, on every engine.

Categories are columns like others; they need no encoding:

>>> import pandas as pd
>>> from master import LogisticRegression
>>> people = pd.DataFrame({"job": ["cook", "nurse", "cook", "nurse"], "age": [31, 45, 52, 28]})
>>> model = LogisticRegression().fit(people, ["low", "high", "low", "high"])
>>> model.predict(people).tolist()
['low', 'high', 'low', 'high']
>>> model.coef_names_.tolist()
['age', 'job=cook', 'job=nurse']
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common.errors import UsageError
from common.events.catalogue.logistic import FitInDoubt
from common.formats.columns import ColumnChoice
from common.formats.dataset import open_input
from common.jobs.encoding import Column, Encoding, Sample
from common.model import FloatArray, Input, PointArray, Table
from master.algorithms.logistic.algorithm import learned_event
from master.algorithms.logistic.learning import Learned, learn, name_of
from master.algorithms.logistic.loop import fit
from master.engines.inline import load_rows
from master.estimator.checks import translate_option_names
from master.estimator.linear import LinearModel
from master.estimator.objective import doubts_of, fit_settings, pose, raw_weights
from master.estimator.parameters import run_settings
from master.estimator.sources import Data, kind_of, open_array, open_table
from master.estimator.tables import Given, category_columns, check_labels, check_table, with_labels
from master.estimator.text_file import TextFile


@dataclass(frozen=True)
class _Training:
    """Open data to learn from; `classes` are None if they are the texts that the data hold."""

    data: Data
    source: Input
    classes: npt.NDArray[Any] | None


@dataclass(eq=False, repr=False, kw_only=True)
class LogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression by MapReduce: the same bits whatever engine, mappers, reducers and threads.

    It minimises what scikit-learn's LogisticRegression does, by Newton's method, and finds the same weights.
    Several classes are fitted together (multinomial). Rows cannot be weighted, but classes can.

    `X` is an array, a data frame (pandas, polars, pyarrow) or a nested list, `y` its labels: integers, texts,
    booleans. Or `X` is the path of a table that the command line can read, or a data frame of Spark's or of
    Dask's, where it lies; then the parameter `target` names its column of labels. Nothing may be missing.

    Parameters
    ----------
    C
        Inverse of the strength of the penalty, which is half the sum of the squared weights of the raw
        columns and of the categories; the intercept is free. `np.inf`: no penalty.
    penalty
        "l2"; None is the same as an infinite C.
    class_weight
        None: each row counts 1. "balanced": each class weighs the same in all. A dict: the weight by class.
    tol
        Stop when no derivative of the objective is greater. The objective is a mean over the rows, and its
        columns are standardised, so that `tol` does not depend on units.
    max_iter
        Maximum number of iterations; a fit that ends there gives a ConvergenceWarning.
    categorical_features
        Which columns are categories: names, positions or a mask. None: those of a data frame or a file that
        hold texts, categories or booleans as objects. Of a file or on a cluster, names alone.
    handle_unknown
        What a category that no row of the fit had does in a prediction: "error"; or "ignore", it has no
        weight.
    engine, mappers, reducers, threads, dump, verbose
        As in `KMeans`.
    columns
        Where there is a target: the columns to learn from, by name or by position from 1; None: all others.
    target
        Of a file or on a cluster: the column with the classes, by name or by position from 1.

    Attributes
    ----------
    classes_
        The classes in order; of a file or on a cluster, as texts.
    coef_, intercept_
        The weights of the raw columns, shape (n_classes, n_coef), and (n_classes,). Two classes have one row:
        that of the second. A category has a weight of its own.
    coef_names_
        What each weight belongs to: the columns of numbers, then each "column=category".
    n_iter_
        Iterations run, shape (1,).
    n_features_in_, feature_names_in_
        Columns in `fit`; their names if `X` had any.
    """

    C: float = 1.0
    penalty: str | None = "l2"
    class_weight: Any = None
    tol: float = 1e-8
    max_iter: int = 100
    categorical_features: Any = None
    handle_unknown: str = "error"
    engine: str = "inline"
    mappers: int | None = None
    reducers: int = 1
    threads: int | None = None
    columns: str | None = None
    target: str | None = None
    dump: str | os.PathLike[str] | None = None
    verbose: bool = False

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to the rows of `X` and their labels.

        Raises
        ------
        ValueError
            A parameter, or the content of `X` or `y`, is invalid.
        RunFailedError
            The processes of engine "grpc", or the cluster, could not finish.
        """
        with translate_option_names():
            doubts = self._fit(X, y)
        for doubt in doubts:
            warnings.warn(doubt, ConvergenceWarning, stacklevel=2)
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """Return each row's most probable class, shape (n_samples,)."""
        given = self._given(X)
        found: npt.NDArray[Any] = self.classes_[self._model.classes(given.table)]
        return found

    def predict_proba(self, X: Any) -> FloatArray:
        """Return the probability of each class, shape (n_samples, n_classes)."""
        given = self._given(X)
        return self._model.probabilities(given.table)

    def predict_log_proba(self, X: Any) -> FloatArray:
        """Return the logarithms of the probabilities; none is infinite."""
        given = self._given(X)
        logarithms: FloatArray = log_softmax(self._model.scores(given.table), axis=1)
        return logarithms

    def decision_function(self, X: Any) -> FloatArray:
        """Return each class's score, shape (n_samples, n_classes); of two the log-odds of the second."""
        given = self._given(X)
        scores = self._model.scores(given.table)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of the rows that `predict` gives their class; `y` of a file is its `target`."""
        if kind_of(X) != "file":
            return float(super().score(X, y, sample_weight))
        with translate_option_names():
            _refuse_labels(y)
        given = self._given(X, with_target=True)
        target = Column(given.table.points.shape[1] - 1, tuple(map(str, self.classes_)))
        labels = Encoding((), target=target).labels(given.table)
        right = labels == self._model.classes(given.table)
        return float(np.average(right, weights=sample_weight))

    def _fit(self, X: Any, y: Any) -> tuple[str, ...]:
        """Fit; return what makes the fit doubtful."""
        settings = fit_settings(self)
        with self._open(X, y) as training:
            data, source = training.data, training.source
            learned = learn(data.engine, source, Sample(), balanced=False)
            classes = np.array(learned.classes) if training.classes is None else training.classes
            learned, objective = pose(learned, classes, settings)
            names = tuple(map(str, classes.tolist()))
            data.log.event(replace(learned_event(source, learned), classes=names))
            step = fit(
                *(data.engine, learned, objective),
                iterations=settings.iterations,
                tol=settings.tol,
                log=data.log,
            )
            doubts = tuple(doubts_of(step, settings, learned.class_weights))
            for doubt in doubts:
                data.log.event(FitInDoubt(reason=doubt))
        self.classes_, self.n_iter_ = classes, np.array([step.iteration], np.int32)
        self._keep(source, learned, step.theta)
        return doubts

    def _keep(self, source: Input, learned: Learned, theta: FloatArray) -> None:
        """Keep the weights, and what a prediction needs."""
        encoding = replace(learned.encoding, target=None)
        self._model = LinearModel(encoding, learned.scaling, theta)
        self._columns = [name_of(source, column) for column in range(self.n_features_in_)]
        self.coef_, self.intercept_ = raw_weights(learned, theta)
        numbers = [self._columns[column] for column in encoding.numbers]
        categories = [
            f"{self._columns[each.position]}={text}" for each in encoding.categories for text in each.texts
        ]
        self.coef_names_ = np.array([*numbers, *categories], object)

    @contextmanager
    def _open(self, X: Any, y: Any) -> Iterator[_Training]:
        """Open the data, and learn their columns' names."""
        settings = run_settings(self, self.engine)
        if kind_of(X) == "array":
            given, classes = self._labelled(X, y)
            with open_array(given.table, settings) as data:
                yield _Training(data, given.source, classes)
        else:
            _refuse_labels(y)
            with open_table(X, self.columns, settings, self._choice()) as data:
                assert data.source is not None
                self._learn_columns(data.source)
                yield _Training(data, data.source, None)

    def _labelled(self, X: Any, y: Any) -> tuple[Given, npt.NDArray[Any]]:
        """Return the rows with their labels as the last column, and the classes."""
        if self.columns is not None or self.target is not None:
            what = "columns and target apply only to files and data on clusters"
            raise UsageError(f"{what}; give other data as X and y")
        given = check_table(self, X, category_columns(X, self.categorical_features), reset=True)
        classes, places = check_labels(y, given.table.points)
        return with_labels(given, len(classes), places), classes

    def _choice(self) -> ColumnChoice:
        """Return which columns of a file or a data frame to learn from."""
        if self.target is None:
            raise UsageError(
                "a file or data on a cluster need target, the name of the column with the classes"
            )
        categories = self.categorical_features
        names = [] if categories is None else list(categories)
        if not all(isinstance(name, str) for name in names):
            raise UsageError("categorical_features must be a list of names if target names a column")
        return ColumnChoice(takes_texts=True, target=self.target, categories=tuple(names) or None)

    def _learn_columns(self, source: Input) -> None:
        """Do what scikit-learn does for data in memory."""
        self.n_features_in_ = len(source.columns) - 1
        self.__dict__.pop("feature_names_in_", None)
        if source.names:
            self.feature_names_in_ = np.array(source.names[:-1], object)

    def _given(self, X: Any, *, with_target: bool = False) -> Given:
        """Return rows whose columns are those of the fit; `with_target`: of a file, with its classes."""
        check_is_fitted(self)
        with translate_option_names():
            if kind_of(X) == "file":
                given = self._read(X, with_target=with_target)
            else:
                self._check_kind(X)
                categories = [column.position for column in self._model.encoding.categories]
                given = check_table(self, X, categories, reset=False)
            if self.handle_unknown == "error":
                self._model.check_seen(given)
            return given

    def _read(self, X: Any, *, with_target: bool) -> Given:
        """Read the columns of the fit, found by their names, or, if these have none, their positions."""
        if with_target and self.target is None:
            raise UsageError("the score of a file needs target, the name of the column with the classes")
        positions = {column.position for column in self._model.encoding.categories}
        choice = ColumnChoice(
            wanted=tuple(self._columns),
            takes_texts=True,
            target=self.target if with_target else None,
            categories=tuple(self._columns[column] for column in sorted(positions)),
            by_model=True,
        )
        read = TextFile.of(X, None)
        file = open_input(Path(read.path), choice, options=read.options)
        rows = load_rows(file)
        table = rows if isinstance(rows, Table) else Table(cast(PointArray, rows), {})
        return Given(table, file.input)

    def _check_kind(self, X: Any) -> None:
        if (kind := kind_of(X)) != "array":
            raise UsageError(
                f"X is data of {kind}'s, but must be an array, a data frame in memory or the path of a file"
            )


def _refuse_labels(y: Any) -> None:
    """Raise UsageError if there are labels, though the data hold them."""
    if y is not None:
        raise UsageError("y must be None for a file or a cluster: target names the column with the classes")
