"""The estimator on Spark's RDDs and data frames: the same bytes, and the rows stay with the executors."""

import math
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from master import KMeans, LogisticRegression
from tests.engines import people

pyspark = pytest.importorskip("pyspark")

pytestmark = [
    pytest.mark.filterwarnings("default"),  # Spark's own warnings
    pytest.mark.slow,
]

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


def test_a_folder_that_spark_has_written(spark: Any, tmp_path: Any) -> None:
    folder = tmp_path / "points.parquet"
    spark.createDataFrame(POINTS.tolist(), ["a", "b", "c"]).repartition(3).write.parquet(str(folder))
    there = model().set_params(engine="spark").fit(f"file://{folder}")
    here = model().fit(folder)
    assert there.cluster_centers_.tobytes() == here.cluster_centers_.tobytes()
    assert there.labels_.tolist() == here.labels_.tolist()
    assert there.predict(f"file://{folder}").tolist() == here.labels_.tolist()


NAN = float("nan")

BROKEN_ROWS: list[tuple[list[Any], str]] = [
    ([[1.0, 2.0], [3.0]], "partition 2 of the RDD, row 1: 1 number, but the first row has 2"),
    ([[1.0, 2.0], [3.0, 4.0, 5.0]], "partition 2 of the RDD, row 1: 3 numbers, but the first row has 2"),
    (
        [[1.0, 2.0], ["3", "x"]],
        "partition 2 of the RDD, row 1, column 2: could not convert string to float: 'x'",
    ),
    ([[1.0, 2.0], "3,4"], "partition 2 of the RDD, row 1: '3,4' is not a vector of numbers"),
    ([[1.0, 2.0], None], "partition 2 of the RDD, row 1: None is not a vector of numbers"),
    (
        [[1.0, None], [3.0, 4.0]],
        "partition 1 of the RDD, row 1, column 2: the field is empty; every field needs a number",
    ),
    ([[1.0, 2.0], [3.0, NAN]], "partition 2 of the RDD, row 1, column 2: nan is not a number"),
    ([[1.0, 2.0], [-math.inf, 4.0]], "partition 2 of the RDD, row 1, column 1: infinity is not allowed"),
    ([[1.0, NAN], [2.0]], "partition 1 of the RDD, row 1, column 2: nan is not a number"),
    ([[1.0, 2.0], [1.0, 2.0], [1.0], [NAN, 2]], "partition 2 of the RDD, row 1: 1 number, but the first"),
    (["1,2", "3,4"], "the RDD holds str, not vectors of numbers"),
    ([None, [1.0, 2.0]], "the RDD holds NoneType, not vectors of numbers"),
    ([[], []], "the RDD holds list, not vectors of numbers"),
]


@pytest.mark.parametrize(("rows", "text"), BROKEN_ROWS)
def test_the_first_broken_row_of_an_rdd_is_named(spark: Any, rows: list[Any], text: str) -> None:
    """Whichever task ends first."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}") as caught:
        KMeans(2).fit(spark.sparkContext.parallelize(rows, 2))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("second", "text"),
    [
        (None, "row 1, column 'y': the field is empty; every field needs a number"),
        (NAN, "row 1, column 'y': nan is not a number"),
        (math.inf, "row 1, column 'y': infinity is not allowed"),
    ],
)
def test_the_first_broken_row_of_a_data_frame_is_named(spark: Any, second: Any, text: str) -> None:
    rows = spark.sparkContext.parallelize([(1.0, 2.0), (3.0, second)], 2)
    frame = spark.createDataFrame(rows, "x double, y double")
    with pytest.raises(ValueError, match=f"^partition 2 of the data frame, {re.escape(text)}$"):
        KMeans(2).fit(frame)


def test_decimals_and_booleans_are_numbers(spark: Any) -> None:
    rows = [(Decimal("0.1"), True), (Decimal("9.5"), False), (Decimal("0.3"), True)]
    frame = spark.createDataFrame(rows, "x decimal(10,3), y boolean")
    here = KMeans(2, random_state=0).fit([[0.1, 1.0], [9.5, 0.0], [0.3, 1.0]])
    assert KMeans(2, random_state=0).fit(frame).cluster_centers_.tolist() == here.cluster_centers_.tolist()


def test_sparse_vectors_and_arrays_in_a_data_frame(spark: Any) -> None:
    from pyspark.ml.linalg import Vectors

    points = [[1.0, 0.0], [0.0, 9.0], [2.0, 0.0]]
    here = KMeans(2, random_state=0).fit(points).cluster_centers_.tolist()
    vectors = [(Vectors.sparse(2, [(i, x) for i, x in enumerate(point) if x]),) for point in points]
    arrays = [(point,) for point in points]
    for frame in (spark.createDataFrame(vectors, ["v"]), spark.createDataFrame(arrays, "v array<double>")):
        assert KMeans(2, random_state=0).fit(frame).cluster_centers_.tolist() == here


def test_a_column_of_vectors_beside_others_is_refused(spark: Any) -> None:
    from pyspark.ml.linalg import Vectors

    frame = spark.createDataFrame([(Vectors.dense([1.0, 2.0]), 3.0)], ["v", "x"])
    with pytest.raises(ValueError, match=r"column 'v' holds vector, .* chooses others or this one alone$"):
        KMeans(1).fit(frame)


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


def test_classifier(spark: Any) -> None:
    frame = spark.createDataFrame(people.PEOPLE.to_numpy(object).tolist(), list(people.PEOPLE)).coalesce(3)
    people.check(people.model().fit(frame))
    assert frame.count() == 300


def test_columns_of_a_classifier(spark: Any) -> None:
    """Names that SQL would not take as they are, types of every kind, and a column that is left out."""
    rows = [("x", True, Decimal("0.10"), "u", 1, "-"), ("y", False, Decimal("9.50"), "v", 0, "-")] * 9
    kinds = "name string, b boolean, d decimal(5,2), t string, y int, s string"
    frame = spark.createDataFrame(rows, kinds).toDF("a.b", "A", "a", "c`d", "y", "s")
    fitted = LogisticRegression(target="y", columns="1-4").fit(frame)
    facts = pd.DataFrame([row[:4] for row in rows], columns=["a.b", "A", "a", "c`d"])
    here = LogisticRegression().fit(facts, ["1", "0"] * 9)
    assert fitted.coef_names_.tolist() == ["A", "a", "a.b=x", "a.b=y", "c`d=u", "c`d=v"]
    assert fitted.coef_.tobytes() == here.coef_.tobytes()


MISSING_CATEGORY = "the field is empty; drop the rows with missing values, or fill in a category"


@pytest.mark.parametrize(
    ("second", "text"),
    [
        ((None, 2.0, "b"), f"row 1, column 'job': {MISSING_CATEGORY}"),
        (("cook", None, "b"), "row 1, column 'age': the field is empty; every field needs a number"),
        (("cook", NAN, "b"), "row 1, column 'age': nan is not a number"),
        (("cook", 2.0, None), f"row 1, column 'risk': {MISSING_CATEGORY}"),
    ],
)
def test_the_first_missing_value_is_named(spark: Any, second: Any, text: str) -> None:
    rows = spark.sparkContext.parallelize([("nurse", 1.0, "a"), second], 2)
    frame = spark.createDataFrame(rows, "job string, age double, risk string")
    with pytest.raises(ValueError, match=f"^partition 2 of the data frame, {re.escape(text)}$"):
        LogisticRegression(target="risk").fit(frame)


def test_what_a_classifier_refuses(spark: Any) -> None:
    frame = spark.createDataFrame([("cook", 1.0, "a")], ["job", "age", "risk"])
    dated = frame.selectExpr("risk", "current_date() as day")
    for data, parameters, text in (
        (frame, {}, "^a file or data on a cluster need target"),
        (frame, {"target": "risc"}, "^target: the data frame has no column 'risc'; its columns are job, age"),
        (frame, {"target": "risk", "categorical_features": ["x"]}, "^categorical_features: .* no column 'x'"),
        (frame.rdd, {"target": "risk"}, "^RDD has no columns with names; use a data frame$"),
        (
            dated,
            {"target": "risk"},
            "^column 'day' holds date, neither numbers nor texts; choose others with",
        ),
        (frame.limit(0), {"target": "risk"}, "^the data frame is empty$"),
        (frame, {"target": "risk"}, r"^the data frame, column 3 \('risk'\): it holds one class alone, 'a'"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            LogisticRegression(**parameters).fit(data)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^X is data of spark's, but must be an array"):
        people.HERE.predict(frame)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_a_classifier_by_its_address(spark: Any, tmp_path: Any, kind: str) -> None:
    path = tmp_path / f"people.{kind}"
    getattr(people.PEOPLE, f"to_{kind}")(path, index=False)
    people.check(people.model().set_params(engine="spark").fit(f"file://{path}"))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("csv", r"line 9, column 1 \('job'\): the field is empty; drop such rows, or fill something in"),
        ("parquet", f"row 8, column 1: {MISSING_CATEGORY}"),
    ],
)
def test_a_missing_text_at_an_address(spark: Any, tmp_path: Any, kind: str, text: str) -> None:
    path, frame = tmp_path / f"people.{kind}", people.PEOPLE.copy()
    frame.loc[7, "job"] = None
    getattr(frame, f"to_{kind}")(path, index=False)
    with pytest.raises(ValueError, match=f"^file://{path}, {text}$"):
        people.model().set_params(engine="spark").fit(f"file://{path}")
