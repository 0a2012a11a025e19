"""Spark's data for the estimator: RDDs and data frames, whose rows stay with its executors; and files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from common.engines.spark_input import StoreVectors
from common.errors import InputError, UsageError
from common.formats.dataset import open_input
from common.model import FloatType, Input, InputFormat
from master.engines.spark.connect import connect, ship_code
from master.engines.spark.engine import SparkEngine
from master.engines.spark.errors import translated_errors
from master.engines.spark.rows import SplitRows, StoredRows
from master.estimator.sources import Data, RunSettings, open_on_cluster

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext
    from pyspark.sql import DataFrame

_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double")

_have_our_code: "WeakSet[SparkContext]" = WeakSet()


@contextmanager
def open_data(data: Any, settings: RunSettings) -> Iterator[Data]:
    """Open an RDD of vectors, or a data frame of numbers or of one vector, on the cluster that it is of.

    Raises
    ------
    InputError, UsageError
        It holds what it must not.
    """
    from pyspark import RDD

    if not hasattr(data, "rdd") and not isinstance(data, RDD):
        raise UsageError(
            f"{type(data).__name__} is of no kind that can be clustered; an RDD or a data frame is"
        )
    context = data.context if isinstance(data, RDD) else data.sparkSession.sparkContext
    _give_code(context)
    names: tuple[str, ...] = ()
    if isinstance(data, RDD):
        rows, columns = _rows_of_vectors(data)
    elif _is_vector(data):
        rows, columns = _rows_of_vectors(data.rdd.map(itemgetter(0)))
    else:
        names = tuple(data.columns)
        rows, columns = _rows_of_columns(data), len(names)
    with open_on_cluster(partial(SparkEngine, context, rows), rows.rows, columns, settings, names) as opened:
        yield opened


@contextmanager
def open_file(path: str | os.PathLike[str], settings: RunSettings, dtype: FloatType) -> Iterator[Data]:
    """Open a file that every executor can read: on the Spark context that there is, or one of its own."""
    from pyspark import SparkContext

    file = open_input(os.fspath(path), settings.columns, dtype)
    theirs = SparkContext._active_spark_context
    context = connect(None, {})
    try:
        _give_code(context)
        rows = SplitRows(context, file, settings.mappers)
        with open_on_cluster(
            partial(SparkEngine, context, rows), file.input.rows, len(file.input.columns), settings
        ) as opened:
            yield opened
    finally:
        if theirs is None:
            context.stop()


def _give_code(context: "SparkContext") -> None:
    if context not in _have_our_code:
        ship_code(context)
        _have_our_code.add(context)


def _is_vector(frame: "DataFrame") -> bool:
    """Tell a data frame of one column of vectors, or of arrays."""
    kinds = [kind for _, kind in frame.dtypes]
    return len(kinds) == 1 and (kinds[0] == "vector" or kinds[0].startswith("array<"))


def _rows_of_vectors(vectors: "RDD[Any]") -> tuple[StoredRows, int]:
    with translated_errors():
        first = vectors.take(1)
    if not first:
        raise InputError("the RDD is empty")
    try:
        columns = len(first[0])
    except TypeError:
        raise InputError(f"the RDD holds {type(first[0]).__name__}, not vectors of numbers") from None
    source = _source("a partition of the RDD", columns)
    return StoredRows(vectors.mapPartitionsWithIndex(StoreVectors(source))), columns


def _rows_of_columns(frame: "DataFrame") -> StoredRows:
    for name, kind in frame.dtypes:
        if kind not in _NUMBERS:
            raise InputError(f"column '{name}' holds {kind}, not numbers; frame.select(...) chooses others")
    columns = len(frame.columns)
    store = StoreVectors(_source("a partition of the data frame", columns))
    rows = StoredRows(frame.rdd.mapPartitionsWithIndex(store))
    if not rows.rows:
        raise InputError("the data frame is empty")
    return rows


def _source(name: str, columns: int) -> Input:
    """Describe what Spark has as if it were a file: for messages, and how to keep its numbers."""
    return Input(name, InputFormat.PARQUET, "", columns, tuple(range(columns)), 0, 0, 0, FloatType.FLOAT64)
