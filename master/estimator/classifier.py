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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from common.errors import UsageError
from common.events.catalogue.logistic import FitInDoubt
from common.formats.columns import ColumnChoice
from common.jobs.encoding import Column, Encoding, Sample
from common.model import FloatArray, Input
from master.algorithms.logistic.algorithm import learned_event
from master.algorithms.logistic.learning import learn, name_of
from master.algorithms.logistic.loop import fit
from master.algorithms.logistic.model import read_model
from master.estimator.checks import translate_option_names
from master.estimator.linear import LinearModel
from master.estimator.objective import doubts_of, fit_settings, pose, raw_weights
from master.estimator.parameters import run_settings
from master.estimator.sources import Data, kind_of, open_array, open_table
from master.estimator.tables import (
    Given,
    category_columns,
    check_in_memory,
    check_labels,
    check_table,
    column_list,
    read_table,
    refuse_labels,
    with_labels,
)
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
        Where there is a target: the columns to learn from, by name or by position from 1, as a text or a
        list; None: all others.
    solver, random_state, n_jobs
        Those of scikit-learn, without effect: the fit is Newton's, draws nothing, and takes `threads`.
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
    columns: Any = None
    solver: str = "lbfgs"
    random_state: Any = None
    n_jobs: Any = None
    target: str | None = None
    dump: str | os.PathLike[str] | None = None
    verbose: bool = False

    @classmethod
    def from_model(cls, path: str | os.PathLike[str], **parameters: Any) -> Self:
        """Return the fitted classifier of a model.json of `classify`; numbers are its first columns."""
        with translate_option_names():
            stored = read_model(Path(path))
        model, names = cls(**parameters), stored.column_names
        model.classes_ = np.array(stored.classes)
        model._learn_columns(len(names), () if all(map(str.isdecimal, names)) else names)
        model._keep(names, LinearModel.stored(stored), stored.iterations)
        return model

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
            refuse_labels(y)
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
        self.classes_ = classes
        columns = [name_of(source, column) for column in range(self.n_features_in_)]
        encoding = replace(learned.encoding, target=None)
        self._keep(columns, LinearModel(encoding, learned.scaling, step.theta), step.iteration)
        return doubts

    def _keep(self, columns: Sequence[str], model: LinearModel, iterations: int) -> None:
        """Keep the weights, and what a prediction needs."""
        self._model, self._columns, self.n_iter_ = model, list(columns), np.array([iterations], np.int32)
        self.coef_, self.intercept_ = raw_weights(model.scaling, model.theta)
        self.coef_names_ = np.array(model.names(columns), object)

    @contextmanager
    def _open(self, X: Any, y: Any) -> Iterator[_Training]:
        """Open the data, and learn their columns' names."""
        settings = run_settings(self, self.engine)
        if kind_of(X) == "array":
            given, classes = self._labelled(X, y)
            with open_array(given.table, settings) as data:
                yield _Training(data, given.source, classes)
        else:
            refuse_labels(y)
            with open_table(X, column_list(self.columns), settings, self._choice()) as data:
                assert data.source is not None
                self._learn_columns(len(data.source.columns) - 1, data.source.names[:-1])
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

    def _learn_columns(self, count: int, names: Sequence[str]) -> None:
        """Do what scikit-learn does for data in memory; there may be no names."""
        self.n_features_in_ = count
        self.__dict__.pop("feature_names_in_", None)
        if names:
            self.feature_names_in_ = np.array(names, object)

    def _given(self, X: Any, *, with_target: bool = False) -> Given:
        """Return rows whose columns are those of the fit; `with_target`: of a file, with its classes."""
        check_is_fitted(self)
        with translate_option_names():
            if kind_of(X) == "file":
                given = self._read(X, with_target=with_target)
            else:
                check_in_memory(kind_of(X))
                categories = [column.position for column in self._model.encoding.categories]
                given = check_table(self, X, categories, reset=False)
            if self.handle_unknown == "error":
                self._model.check_seen(given)
            return given

    def _read(self, X: Any, *, with_target: bool) -> Given:
        """Read the columns of the fit, found by their names, or, if these have none, their positions."""
        if with_target and self.target is None:
            raise UsageError("the score of a file needs target, the name of the column with the classes")
        positions = sorted(column.position for column in self._model.encoding.categories)
        categories = [self._columns[column] for column in positions]
        return read_table(
            TextFile.of(X, None), self._columns, categories, self.target if with_target else None
        )
