"""Spark's data for the estimator: RDDs and data frames, whose rows stay with its executors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from common.engines.spark_input import store_vectors
from common.errors import InputError, UsageError
from common.model import FloatType, Input, InputFormat
from master.engines.spark.connect import ship_code
from master.engines.spark.engine import SparkEngine
from master.engines.spark.errors import translated_errors
from master.engines.spark.rows import NUMBERS, SparkRows
from master.estimator.sources import Data, RunSettings, open_on_cluster

if TYPE_CHECKING:
    from pyspark import RDD
    from pyspark.sql import DataFrame


@contextmanager
def open_data(data: Any, settings: RunSettings) -> Iterator[Data]:
    """Open an RDD of vectors, or a data frame of numbers or of one vector, on the cluster that it is of.

    Raises
    ------
    InputError, UsageError
        It has invalid content.
    """
    from pyspark import RDD

    if not hasattr(data, "rdd") and not isinstance(data, RDD):
        raise UsageError(f"{type(data).__name__} cannot be clustered; use an RDD or a data frame")
    context = data.context if isinstance(data, RDD) else data.sparkSession.sparkContext
    ship_code(context)
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


def _is_vector(frame: "DataFrame") -> bool:
    """Tell a data frame of one column of vectors, or of arrays."""
    kinds = [kind for _, kind in frame.dtypes]
    return len(kinds) == 1 and (kinds[0] == "vector" or kinds[0].startswith("array<"))


def _rows_of_vectors(vectors: "RDD[Any]") -> tuple[SparkRows, int]:
    with translated_errors():
        first = vectors.take(1)
    if not first:
        raise InputError("the RDD is empty")
    try:
        columns = len(first[0])
    except TypeError:
        raise InputError(f"the RDD holds {type(first[0]).__name__}, not vectors of numbers") from None
    source = _source("a partition of the RDD", columns)
    return SparkRows.stored(vectors.mapPartitionsWithIndex(partial(store_vectors, source))), columns


def _rows_of_columns(frame: "DataFrame") -> SparkRows:
    for name, kind in frame.dtypes:
        if kind not in NUMBERS:
            raise InputError(f"column '{name}' holds {kind}, not numbers; frame.select(...) chooses others")
    columns = len(frame.columns)
    store = partial(store_vectors, _source("a partition of the data frame", columns))
    rows = SparkRows.stored(frame.rdd.mapPartitionsWithIndex(store))
    if not rows.rows:
        raise InputError("the data frame is empty")
    return rows


def _source(name: str, columns: int) -> Input:
    """Describe what Spark has as if it were a file: for messages, and how to keep its numbers."""
    return Input(name, InputFormat.PARQUET, "", columns, tuple(range(columns)), 0, 0, 0, FloatType.FLOAT64)
