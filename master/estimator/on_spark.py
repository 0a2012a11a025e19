"""Spark's data for the estimator: RDDs and data frames, whose rows stay with its executors."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from common.engines.on_spark import store_vectors
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
    kind = "RDD" if isinstance(data, RDD) else "data frame"
    context = data.context if isinstance(data, RDD) else data.sparkSession.sparkContext
    ship_code(context)
    names, vectors = ((), data) if isinstance(data, RDD) else _names_and_rows(data)
    columns = len(names) or _length_of_first(vectors, kind)
    # As if it were a file: for messages, and to tell how its numbers are kept.
    name, used = f"a partition of the {kind}", tuple(range(columns))
    source = Input(name, InputFormat.PARQUET, "", columns, used, 0, 0, 0, FloatType.FLOAT64)
    rows = SparkRows.stored(vectors.mapPartitionsWithIndex(partial(store_vectors, source)))
    if not rows.rows:
        raise InputError(f"the {kind} is empty")
    with open_on_cluster(partial(SparkEngine, context, rows), rows.rows, columns, settings, names) as opened:
        yield opened


def _names_and_rows(frame: "DataFrame") -> "tuple[tuple[str, ...], RDD[Any]]":
    """Return the names of a frame's columns, and its rows; one column of vectors or arrays has no names."""
    kinds = [kind for _, kind in frame.dtypes]
    if len(kinds) == 1 and (kinds[0] == "vector" or kinds[0].startswith("array<")):
        return (), frame.rdd.map(itemgetter(0))
    for name, kind in frame.dtypes:
        if kind not in NUMBERS:
            raise InputError(f"column '{name}' holds {kind}, not numbers; frame.select(...) chooses others")
    return tuple(frame.columns), frame.rdd


def _length_of_first(vectors: "RDD[Any]", kind: str) -> int:
    with translated_errors():
        first = vectors.take(1)
    if not first:
        raise InputError(f"the {kind} is empty")
    try:
        return len(first[0])
    except TypeError:
        raise InputError(f"the {kind} holds {type(first[0]).__name__}, not vectors of numbers") from None
