"""The estimator on Dask's own arrays and data frames: the same bytes, and the rows stay with the workers."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import common
from master import KMeans, LogisticRegression
from tests.engines import people

distributed = pytest.importorskip("distributed")
da = pytest.importorskip("dask.array")

pytestmark = pytest.mark.filterwarnings("default")  # of Dask's own

POINTS = np.random.default_rng(0).normal(size=(900, 3))
HERE = KMeans(4, random_state=0, max_iter=5).fit(POINTS)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def check(model: KMeans) -> None:
    assert model.cluster_centers_.tobytes() == HERE.cluster_centers_.tobytes()
    assert model.labels_.tolist() == HERE.labels_.tolist()
    assert model.inertia_ == HERE.inertia_


def model() -> KMeans:
    return KMeans(4, random_state=0, max_iter=5, reducers=2, mappers=2)


@pytest.mark.parametrize("chunks", [(400, 3), (900, 2)])
def test_array(client: Any, chunks: tuple[int, int]) -> None:
    array = da.from_array(POINTS, chunks=chunks)
    fitted = model().fit(array)
    check(fitted)
    assert fitted.predict(array).tolist() == HERE.labels_.tolist()
    assert fitted.score(array) == -HERE.inertia_
    assert client.scheduler_info()["workers"]  # the cluster stays the caller's


def test_our_package_stays_where_it_was(client: Any) -> None:
    """Dask's scheduler, which is in this process, loads what the workers need: an archive of a part of it."""
    before = list(sys.path)  # an earlier test's Spark may have added an archive
    model().fit(da.from_array(POINTS, chunks=(400, 3)))
    root = Path(__file__).parents[2]
    assert [Path(folder) for folder in common.__path__] == [root / "common"]
    assert sys.path == before


def test_array_of_unknown_size(client: Any) -> None:
    array = da.from_array(POINTS, chunks=(400, 3))
    check(model().fit(array[array[:, 0] > -100]))


def test_data_frame(client: Any) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame(POINTS, columns=["a", "b", "c"]), npartitions=3)
    fitted = model().fit(frame)
    check(fitted)
    assert fitted.n_features_in_ == 3
    with pytest.raises(
        ValueError, match=r"the columns of X \(b, a, c\) differ from those in fit \(a, b, c\)"
    ):
        fitted.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize("data", ["file", "array"])
def test_engine_on_the_client_that_is_there(client: Any, tmp_path: Any, data: str) -> None:
    path = tmp_path / "points.npy"
    np.save(path, POINTS)
    check(model().set_params(engine="dask").fit(path if data == "file" else POINTS))


def test_what_is_refused(client: Any) -> None:
    array = da.from_array(POINTS, chunks=(400, 3))
    fitted = model().fit(POINTS)
    for data, text in (
        (array[:, 0], "cannot be clustered"),
        (array[:, :2], "X has 2 columns, but fit saw 3"),
        (array + np.nan, "nan is not a number"),
        (
            array.astype(str).map_blocks(lambda block: np.char.add(block, "x")),
            "partition 1 of the Dask array, row 1, column 1: could not convert string to float: .*'0.125.*x'",
        ),
    ):
        with pytest.raises(ValueError, match=text):
            fitted.predict(data)
    with pytest.raises(ValueError, match="transform accepts an array"):
        fitted.transform(array)


def test_the_first_broken_partition_is_named(client: Any) -> None:
    """Whichever task ends first."""
    points = POINTS.copy()
    points[500, 2] = np.nan
    points[850, 1] = np.inf
    with pytest.raises(ValueError, match=r"^partition 2 of the Dask array, row 101, column 3: nan is not a"):
        model().fit(da.from_array(points, chunks=(400, 3)))


@pytest.mark.parametrize(
    ("block", "text"),
    [
        (lambda block: np.ma.masked_greater(block, -9), "row 1, column 1: the value is masked"),
        (lambda block: np.where(block == block, None, block), "row 1, column 1: the field is empty; every"),
        (lambda block: np.ones((len(block), 4)), "row 1: 4 numbers, but the first row has 3"),
    ],
)
def test_blocks_that_are_no_rows_of_numbers(client: Any, block: Any, text: str) -> None:
    array = da.from_array(POINTS, chunks=(900, 3)).map_blocks(block, dtype=float)
    with pytest.raises(ValueError, match=f"^partition 1 of the Dask array, {text}"):
        model().fit(array)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pd.array([1, 2, None], "Int64"), "the field is empty; every field needs a number"),
        (["1", "2", "x"], "could not convert string to float: 'x'"),
        ([1.0, 2.0, np.inf], "infinity is not allowed"),
    ],
)
def test_a_broken_row_of_a_data_frame_is_named(client: Any, column: Any, text: str) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(pd.DataFrame({"x": [1.0, 2.0, 3.0], "y": column}), npartitions=1)
    with pytest.raises(ValueError, match=f"^partition 1 of the Dask data frame, row 3, column 'y': {text}$"):
        KMeans(2).fit(frame)


@pytest.mark.parametrize("kinds", [{}, {"job": "category", "risk": "category"}, {"job": object}])
def test_classifier(client: Any, kinds: Any) -> None:
    dd = pytest.importorskip("dask.dataframe")
    people.check(people.model().fit(dd.from_pandas(people.PEOPLE.astype(kinds), npartitions=3)))
    assert client.scheduler_info()["workers"]


def test_columns_of_a_classifier(client: Any) -> None:
    """The target is none of the columns to learn from, even if no column has a name but a number."""
    dd = pytest.importorskip("dask.dataframe")
    frame = people.PEOPLE.set_axis(range(5), axis=1)
    fitted = LogisticRegression(target="2", columns="1,0").fit(dd.from_pandas(frame, npartitions=2))
    here = LogisticRegression().fit(people.PEOPLE[["age", "job"]], people.PEOPLE["risk"])
    assert fitted.coef_.tobytes() == here.coef_.tobytes()
    assert fitted.feature_names_in_.tolist() == ["1", "0"]


MISSING_CATEGORY = "the field is empty; drop the rows with missing values, or fill in a category"


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("job", None, f"column 'job': {MISSING_CATEGORY}"),
        ("risk", "", f"column 'risk': {MISSING_CATEGORY}"),
        ("income", np.nan, "column 'income': nan is not a number"),
    ],
)
def test_the_first_missing_value_is_named(client: Any, column: str, value: Any, text: str) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = people.PEOPLE.copy()
    frame.loc[[150, 250], column] = value
    with pytest.raises(ValueError, match=f"^partition 2 of the Dask data frame, row 51, {text}$"):
        people.model().fit(dd.from_pandas(frame, npartitions=3))


def test_what_a_classifier_refuses(client: Any) -> None:
    dd = pytest.importorskip("dask.dataframe")
    frame = dd.from_pandas(people.PEOPLE.assign(day=pd.Timestamp(0)), npartitions=2)
    cases: list[tuple[Any, Any, str]] = [
        (frame, {}, "^a file or data on a cluster need target"),
        (frame, {"target": "risc"}, "^target: the Dask data frame has no column 'risc'; its columns are job"),
        (frame, {"target": "risk"}, "^column 'day' holds datetime64.*, neither numbers nor texts; choose"),
        (frame[["risk", "age"]].loc[:-1], {"target": "risk"}, "^the Dask data frame is empty$"),
        (frame["risk"], {"target": "risk"}, "^a Dask Series cannot be clustered"),
    ]
    for data, parameters, text in cases:
        with pytest.raises(ValueError, match=text) as caught:
            LogisticRegression(**parameters).fit(data)
        assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^X is data of dask's, but must be an array"):
        people.HERE.predict(frame)
