"""The distance kernel against the plain loop it stands for, bit for bit."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import DataObject, SearchStrategy, data, floats, integers, just, lists, one_of

from common.kernels.nearest import distance
from common.kernels.nearest.distance import largest_shift, nearest
from common.model import FloatArray

ANY = data()
COLUMNS = integers(1, 4)


def nearest_by_loop(points: FloatArray, centroids: FloatArray) -> tuple[list[int], list[float]]:
    labels, squared = [], []
    for point in points.tolist():
        distances = [plain_squared(point, centroid) for centroid in centroids.tolist()]
        squared.append(min(distances))
        labels.append(distances.index(min(distances)))
    return labels, squared


def plain_squared(point: list[float], centroid: list[float]) -> float:
    total = 0.0
    for x, c in zip(point, centroid, strict=True):
        total += (x - c) * (x - c)
    return total


def coordinates() -> SearchStrategy[SearchStrategy[float]]:
    """Kinds of data: few values (ties and duplicates), any values, an offset with a tiny spread."""
    few: SearchStrategy[float] = integers(-2, 2).map(float)
    offset = integers(-50, 50).map(lambda units: 1e9 + units * 2.0**-20)
    return one_of(just(few), just(floats(-1e6, 1e6)), just(offset), just(floats(-(2.0**500), 2.0**500)))


def matrix(pick: DataObject, kind: SearchStrategy[float], rows: int, columns: int) -> FloatArray:
    row = lists(kind, min_size=columns, max_size=columns)
    return np.array(pick.draw(lists(row, min_size=rows, max_size=rows))).reshape(rows, columns)


def assert_as_by_loop(points: FloatArray, centroids: FloatArray) -> None:
    before = points.copy(), centroids.copy()
    labels, squared = nearest(points, centroids)
    assert labels.dtype == np.int32
    assert squared.dtype == np.float64
    assert (labels.tolist(), squared.tolist()) == nearest_by_loop(points, centroids)
    assert points.tobytes() == before[0].tobytes()
    assert centroids.tobytes() == before[1].tobytes()


@given(pick=ANY, kind=coordinates(), columns=COLUMNS, rows=integers(0, 12), k=integers(1, 6))
def test_nearest_is_the_plain_loop(
    pick: DataObject, kind: SearchStrategy[float], columns: int, rows: int, k: int
) -> None:
    assert_as_by_loop(matrix(pick, kind, rows, columns), matrix(pick, kind, k, columns))


@given(pick=ANY, kind=coordinates(), columns=COLUMNS, rows=integers(1, 12))
def test_nearest_to_some_of_the_points_themselves(
    pick: DataObject, kind: SearchStrategy[float], columns: int, rows: int
) -> None:
    points = matrix(pick, kind, rows, columns)
    chosen = pick.draw(lists(integers(0, rows - 1), min_size=1, max_size=6))
    assert_as_by_loop(points, points[chosen])


@pytest.mark.parametrize("elements", [1, 256 * 3, 300 * 3, 700 * 3, 1 << 20])
@pytest.mark.parametrize(("offset", "spread"), [(0.0, 1.0), (1e9, 1e-3)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_block_sizes_make_no_difference(
    monkeypatch: pytest.MonkeyPatch, elements: int, offset: float, spread: float, order: str
) -> None:
    rng = np.random.default_rng(5)
    monkeypatch.setattr(distance, "_BUFFER_ELEMENTS", elements)
    points = np.array(offset + spread * rng.normal(size=(700, 3)), order="F" if order == "F" else "C")
    assert_as_by_loop(points, offset + spread * rng.normal(size=(3, 3)))


def test_ties_go_to_the_lowest_index() -> None:
    labels, squared = nearest(np.array([[0.0], [5.0]]), np.array([[7.0], [1.0], [-1.0], [1.0]]))
    assert labels.tolist() == [1, 0]
    assert squared.tolist() == [1.0, 4.0]


@given(pick=ANY, columns=COLUMNS, k=integers(1, 6))
def test_largest_shift_is_the_largest_distance(pick: DataObject, columns: int, k: int) -> None:
    kind = floats(-1e140, 1e140) | floats(-1e-140, 1e-140) | floats(-9, 9)
    before, after = matrix(pick, kind, k, columns), matrix(pick, kind, k, columns)
    expected = max(map(math.dist, before.tolist(), after.tolist()))
    assert largest_shift(before, after) == pytest.approx(expected, rel=1e-14, abs=5e-324)
    assert largest_shift(before, before) == 0.0
