"""Threads that share rows."""

import threading
from typing import Any

import numpy as np
import pytest

from common.kernels import parallel
from common.kernels.nearest import distance
from common.kernels.nearest.distance import distances
from common.kernels.parallel import in_parallel
from common.model import PointArray


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_parts_are_all_rows_in_their_order(monkeypatch: pytest.MonkeyPatch, rows: int, threads: int) -> None:
    monkeypatch.setattr(parallel, "_THREAD_NUMBERS", 1)
    numbers = np.arange(rows, dtype=np.float64)[:, None]
    assert in_parallel(lambda part: numbers[part].ravel().tolist(), numbers, threads) == list(range(rows))


def test_each_part_has_a_thread_and_the_first_one_is_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """None ends before all have begun."""
    monkeypatch.setattr(parallel, "_THREAD_NUMBERS", 1)
    all_there = threading.Barrier(3, timeout=60)

    def work(part: slice) -> list[threading.Thread]:
        all_there.wait()
        return [threading.current_thread()]

    first, *others = in_parallel(work, np.zeros((9, 1)), threads=3)
    assert first is threading.current_thread()
    assert len({first, *others}) == 3


def test_few_rows_are_not_worth_a_thread() -> None:
    assert in_parallel(lambda part: [part], np.zeros((1000, 2)), threads=8) == [slice(0, 1000)]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distances_have_the_same_bits_by_any_threads(
    monkeypatch: pytest.MonkeyPatch, dtype: type[np.floating[Any]], compiled: bool
) -> None:
    monkeypatch.setattr(parallel, "_THREAD_NUMBERS", 1000)
    monkeypatch.setattr(distance, "_MUCH_WORK", 0 if compiled else 10**9)
    rng = np.random.default_rng(0)
    points: PointArray = rng.normal(size=(5000, 3)).astype(dtype)
    points[:4] = [[1e-30] * 3, [-3e38] * 3, [3e38, 1.0, 1e-38], [0.0] * 3]
    centroids = np.concatenate([rng.normal(size=(69, 3)), [[2e38, -1.0, 0.5]]])
    differences = points.astype(np.float64)[:, None] - centroids
    expected = np.zeros(differences.shape[:2])
    for column in np.moveaxis(differences, 2, 0):
        expected += column * column
    for threads in (1, 2, 3):
        assert distances(points, centroids, threads).tobytes() == np.sqrt(expected).tobytes()
