"""Our K-Means on Spark: on a data frame and on an RDD that Spark has read, where they lie.

Both give the same centroids, to the last bit. Columns of words are left out.
"""

import sys
import time
from pathlib import Path

import click
from pyspark.sql.types import NumericType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this repository
from master import KMeans
from scripts.pipelines.inputs import files_of
from scripts.pipelines.results import Usage, as_json, show, table
from scripts.pipelines.sessions import driver, spark_session
from scripts.pipelines.usage import Watch


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--input", "path", default="data/input/blobs.csv", help="A CSV file, or a folder of some.")
@click.option("--k", type=click.IntRange(1), default=5, help="Number of clusters.")
@click.option("--iterations", type=click.IntRange(1), default=50, help="At most.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the start.")
@click.option("--json", "wanted_json", is_flag=True, help="Print one JSON object.")
def main(path: str, k: int, iterations: int, seed: int, wanted_json: bool) -> None:
    """Read, fit twice, compare, show."""
    files_of(path)
    with spark_session("spark_kmeans") as spark, Watch(driver()) as watch:
        frame = spark.read.csv(path, header=True, inferSchema=True)
        numbers = [field.name for field in frame.schema if isinstance(field.dataType, NumericType)]
        frame = frame.select(numbers).dropna().cache()
        rows = frame.count()
        model = KMeans(k, random_state=seed, max_iter=iterations, init="k-means++")
        began_s = time.perf_counter()
        of_frame = model.fit(frame).cluster_centers_
        fit_s = time.perf_counter() - began_s
        of_rdd = model.fit(frame.rdd.map(list)).cluster_centers_
    found = {"rows": rows, "iterations": model.n_iter_, "inertia": model.inertia_}
    found["same_bytes"] = of_frame.tobytes() == of_rdd.tobytes()
    show(as_json("K-Means on Spark", Usage(fit_s, watch.cpu_s, watch.peak_mb), **found), wanted_json)
    if not wanted_json:
        click.echo(
            "\n".join(
                [
                    "",
                    *table(
                        ["centroid", *numbers], [[str(i), *row] for i, row in enumerate(of_frame.tolist())]
                    ),
                ]
            )
        )


if __name__ == "__main__":
    main()
