"""The scripts for Spark, as people run them: by Python, and by spark-submit."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from master import KMeans
from tests.engines.runs import needs, needs_java
from tests.programs import ROOT
from tests.scripts.pipelines.scripts import (
    JOBS_CUT,
    TEST_ROWS,
    check_is_always_wrong,
    check_usage,
    result_of,
    write_flipped,
)

needs("pyspark")
needs_java()
pytestmark = pytest.mark.slow

spec = find_spec("pyspark")
assert spec is not None
assert spec.submodule_search_locations is not None
SUBMIT = [f"{spec.submodule_search_locations[0]}/bin/spark-submit", "--master", "local[2]"]
SUBMIT += ["--conf", "spark.ui.enabled=false"]


def test_the_table_of_jobs_and_each_node_alone() -> None:
    found = result_of("spark_ml_pipeline", "--input", JOBS_CUT, "--per-node", 3)
    assert (found["rows"], found["test_rows"]) == (3000, TEST_ROWS)
    assert 0.98 < found["weighted_f1"] < 0.995
    assert 0.98 < found["macro_f1"] < 0.995
    assert found["log_loss"] < 0.1
    check_usage(found)
    assert [node["node"] for node in found["nodes"]] == [1, 2, 3]
    assert [node["rows"] for node in found["nodes"]] == [802, 790, 795]
    assert all(found["log_loss"] < node["log_loss"] < 0.2 for node in found["nodes"])


def test_a_forest_by_spark_submit_is_tested_on_the_test_rows(tmp_path: Path) -> None:
    flipped = write_flipped(tmp_path / "flipped")
    options = ["--input", flipped, "--target", "class", "--model", "forest"]
    found = result_of("spark_ml_pipeline", *options, by=SUBMIT)
    check_is_always_wrong(found)
    assert found["peak_mb"] > 300  # Java's memory, too


def test_k_means_by_spark_submit() -> None:
    blobs = ROOT / "data" / "input" / "blobs.csv"
    found = result_of("spark_kmeans", "--input", blobs, "--k", 5, "--seed", 1, by=SUBMIT)
    here = KMeans(5, random_state=1, init="k-means++", max_iter=50).fit(str(blobs))
    assert found["same_bytes"] is True
    assert (found["rows"], found["iterations"], found["inertia"]) == (5000, here.n_iter_, here.inertia_)
