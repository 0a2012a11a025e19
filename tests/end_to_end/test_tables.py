"""Whole runs on tables: which columns are used."""

from pathlib import Path

import numpy as np
import pandas

from common.events.catalogue.kmeans import Clusters
from common.events.catalogue.run import RunStarted
from tests.programs import options, run_here
from tests.story import story_of


def test_the_index_of_pandas_is_not_clustered(tmp_path: Path) -> None:
    """It was, and customers were put together by their numbers."""
    points = np.random.default_rng(0).normal(size=(40, 2)) + np.repeat([[0], [9]], 20, axis=0)
    numbers = pandas.Index(np.random.default_rng(1).permutation(40) * 1000, name="CustomerID")
    pandas.DataFrame(points, numbers, ["x", "y"]).to_parquet(tmp_path / "customers")
    result = run_here(tmp_path, *options(k=2, input_path=tmp_path / "customers"))
    assert (result.returncode, result.stderr) == (0, "")
    story = story_of(tmp_path)
    assert [(started.rows, started.columns) for started in story.of(RunStarted)] == [(40, 2)]
    assert sorted(story.of(Clusters)[-1].sizes) == [20, 20]
