"""Fits by other libraries."""

import numpy as np
import pytest

from scripts.bench.competitors import COMPETITORS
from scripts.bench.data import generate, initial_rows
from scripts.bench.libraries import FITS, METHODS, Task
from scripts.bench.workloads import USES


@pytest.mark.parametrize("library", ["sklearn-lloyd", "sklearn-elkan", "oneDAL", "faiss", "dask-ml"])
def test_libraries_find_the_same_clusters(library: str) -> None:
    pytest.importorskip(COMPETITORS[library].package)
    points = generate("blobs", 500, 2, 3, seed=0)
    initial = initial_rows(points, 3, seed=0)
    fit = FITS[library](Task(points, initial, iterations=30, threads=1))
    labels = np.square(points[:, None] - fit.centroids).sum(axis=2).argmin(axis=1)
    if fit.labels is not None:
        np.testing.assert_array_equal(labels, fit.labels)
    means = [points[labels == key].mean(axis=0) for key in range(3)]
    np.testing.assert_allclose(fit.centroids, means, rtol=1e-5)
    assert fit.seconds > 0


@pytest.mark.parametrize(
    ("library", "method"), [(name, method) for method in METHODS for name in ("ours", *USES[method])]
)
def test_methods_of_a_fitted_model(library: str, method: str) -> None:
    pytest.importorskip(COMPETITORS[f"{library} {method}"].package)
    points = generate("cloud", 500, 2, 3, seed=0)
    initial = initial_rows(points, 3, seed=0)
    found = FITS[f"{library} {method}"](Task(points, initial, iterations=30, threads=1))
    once = FITS["sklearn-lloyd"](Task(points, initial, iterations=1, threads=1))
    np.testing.assert_allclose(found.centroids, once.centroids, rtol=1e-9)
    assert found.seconds > 0


def test_several_starts_are_the_ones_given() -> None:
    points = generate("cloud", 500, 2, 3, seed=0)
    starts = np.stack([initial_rows(points, 3, seed) for seed in (0, 1)])
    both = FITS["sklearn-lloyd"](Task(points, starts, iterations=5, threads=1, count=True))
    each = [FITS["sklearn-lloyd"](Task(points, start, iterations=5, threads=1)) for start in starts]
    assert both.iterations == sum(fit.iterations or 0 for fit in each)
    assert any(np.allclose(both.centroids, fit.centroids) for fit in each)
