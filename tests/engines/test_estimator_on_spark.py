"""The estimator on Spark's RDDs and data frames: the same bytes, and the rows stay with the executors."""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from master import KMeans

pyspark = pytest.importorskip("pyspark")

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(300)]  # Spark's own warnings

POINTS = np.random.default_rng(0).normal(size=(900, 3))
HERE = KMeans(4, random_state=0, max_iter=5).fit(POINTS)


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
        yield session
        session.stop()


def check(model: KMeans) -> None:
    assert model.cluster_centers_.tobytes() == HERE.cluster_centers_.tobytes()
    assert model.labels_.tolist() == HERE.labels_.tolist()
    assert model.inertia_ == HERE.inertia_


def model() -> KMeans:
    return KMeans(4, random_state=0, max_iter=5, reducers=2, mappers=2)


def test_rdd(spark: Any) -> None:
    rdd = spark.sparkContext.parallelize(POINTS.tolist(), 3)
    fitted = model().fit(rdd)
    check(fitted)
    assert fitted.predict(rdd).tolist() == HERE.labels_.tolist()
    assert fitted.score(rdd) == -HERE.inertia_
    assert rdd.count() == len(POINTS)  # the context stays the caller's


def test_data_frame(spark: Any) -> None:
    frame = spark.createDataFrame(POINTS.tolist(), ["a", "b", "c"])
    fitted = model().fit(frame)
    check(fitted)
    with pytest.raises(
        ValueError, match=r"the columns of X \(b, a, c\) differ from those in fit \(a, b, c\)"
    ):
        fitted.predict(frame.select("b", "a", "c"))


def test_data_frame_of_vectors(spark: Any) -> None:
    from pyspark.ml.linalg import Vectors

    rows = [(Vectors.dense(point),) for point in POINTS.tolist()]
    check(model().fit(spark.createDataFrame(rows, ["features"])))


def test_engine_on_the_context_that_is_there(spark: Any, tmp_path: Any) -> None:
    path = tmp_path / "points.npy"
    np.save(path, POINTS)
    check(model().set_params(engine="spark").fit(path))
    assert spark.range(3).count() == 3


def test_what_is_refused(spark: Any) -> None:
    context, fitted = spark.sparkContext, model().fit(POINTS)
    for data, text in (
        (spark.createDataFrame([("x",)], ["name"]), "column 'name' holds string, not numbers"),
        (spark.createDataFrame([(1.0, 2.0)], ["a", "b"]), "X has 2 columns, but fit saw 3"),
        (context.parallelize([]), "the RDD is empty"),
        (context.parallelize([1, 2]), "the RDD holds int, not vectors of numbers"),
        (context.parallelize([[1.0, 2.0, float("nan")]]), "nan is not a number"),
    ):
        with pytest.raises(ValueError, match=text):
            fitted.predict(data)
