"""Logistic regression or a random forest by Spark's MLlib, on a table of numbers and words.

With --per-node N, MLlib also learns from each of N contiguous parts of the rows alone, as if no node knew of
the others; all models are tested on the same rows.
"""

import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from pyspark.ml import Pipeline
from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
from pyspark.ml.feature import Imputer, OneHotEncoder, StringIndexer, VectorAssembler
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as sf
from pyspark.sql.types import NumericType

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this repository
from scripts.pipelines.inputs import check_target, files_of, is_test, pipeline
from scripts.pipelines.results import Scores, Usage, as_json, score, show
from scripts.pipelines.sessions import driver, spark_session
from scripts.pipelines.usage import Watch

ROW = "row_of_the_input"


@pipeline(__doc__)
@click.option("--model", type=click.Choice(["logistic", "forest"]), default="logistic", help="What to fit.")
@click.option("--per-node", "nodes", type=click.IntRange(1), help="Also fit each of so many parts alone.")
def main(
    path: str, target: str, share: float, seed: int, wanted_json: bool, model: str, nodes: int | None
) -> None:
    """Read, fit, test, show."""
    with spark_session("spark_ml_pipeline") as spark, Watch(driver()) as watch:
        rows = read(spark, path)
        check_target(target, rows.columns)
        count = rows.count()
        # Found in all rows: a class that only test rows have is a class, too. "keep" would add one more.
        classes = StringIndexer(inputCol=target, outputCol="label", stringOrderType="alphabetAsc")
        labelled = classes.fit(rows.dropna(subset=[target])).setHandleInvalid("skip").transform(rows)
        train, test = split(spark, labelled, is_test(count, seed, share))
        learner = partial(learn, test=test, target=target, model=model, seed=seed)
        known = learner(train)
        parts = [learner(part_of(train, count, node, nodes)) for node in range(nodes)] if nodes else []
        found = {"rows": labelled.count(), "test_rows": test.count(), "iterations": known.iterations}
    usage = Usage(known.seconds, watch.cpu_s, watch.peak_mb)
    if parts:
        found["nodes"] = [{"node": i + 1} | part.as_json() for i, part in enumerate(parts)]
    show(as_json(f"MLlib {model}", known.scores, usage, **found), wanted_json)


def read(spark: SparkSession, path: str) -> DataFrame:
    """Read the rows, and number them in the order of files and lines, from 0."""
    files_of(path)
    frame = spark.read.csv(path, header=True, inferSchema=True)
    place = sf.monotonically_increasing_id().alias("place_in_files")
    placed = frame.select("*", sf.col("_metadata.file_path").alias("file_of_row"), place)
    number = sf.row_number().over(Window.orderBy("file_of_row", "place_in_files")) - 1
    numbered = placed.withColumn(ROW, number).drop("file_of_row", "place_in_files")
    return numbered.repartitionByRange(spark.sparkContext.defaultParallelism, ROW).cache()


def split(spark: SparkSession, rows: DataFrame, is_test: Any) -> tuple[DataFrame, DataFrame]:
    """Split by the rows' numbers: Spark's randomSplit would change with the number of partitions."""
    numbers = [(int(row),) for row in np.flatnonzero(is_test)]
    tested = sf.broadcast(spark.createDataFrame(numbers, f"{ROW} int"))  # so that no row moves
    parts = rows.join(tested, ROW, "left_anti"), rows.join(tested, ROW, "left_semi")
    return parts[0].cache(), parts[1].cache()


def part_of(train: DataFrame, count: int, node: int, nodes: int) -> DataFrame:
    """Return the training rows of one of the contiguous parts of all rows."""
    first, stop = count * node // nodes, count * (node + 1) // nodes
    return train.where(sf.col(ROW).between(first, stop - 1))


@dataclass(frozen=True)
class Learned:
    """A model on the test rows."""

    rows: int  # that it learned from
    scores: Scores
    seconds: float  # of the fit
    iterations: int | None  # a forest has none

    def as_json(self) -> dict[str, Any]:
        """Return it as one object."""
        own = {"rows": self.rows, "seconds": self.seconds, "iterations": self.iterations}
        return own | asdict(self.scores)


def learn(train: DataFrame, test: DataFrame, target: str, model: str, seed: int) -> Learned:
    """Fit a pipeline on some rows, and test it."""
    count = train.count()  # fills the cache, too
    learners = {
        # The penalty of scikit-learn with C = 1.
        "logistic": LogisticRegression(maxIter=1000, regParam=1 / count),
        "forest": RandomForestClassifier(numTrees=100, seed=seed),
    }
    stages = Pipeline(stages=[*features(train, target), learners[model]])
    began_s = time.perf_counter()
    fitted = stages.fit(train)
    seconds = time.perf_counter() - began_s
    found = fitted.transform(test).select("label", "probability").collect()
    scores = score([row.label for row in found], [row.probability.toArray() for row in found])
    iterations = fitted.stages[-1].summary.totalIterations if model == "logistic" else None
    return Learned(count, scores, seconds, iterations)


def features(train: DataFrame, target: str) -> list[Any]:
    """Return the stages that make one vector of a row's numbers and words.

    "keep" gives words that training has not seen a place of their own, the last one, and the encoder makes
    zeros of the last one. The assembler may not skip rows: all models are tested on the same.
    """
    fields = [field for field in train.schema if field.name not in (target, "label", ROW)]
    numbers = [field.name for field in fields if isinstance(field.dataType, NumericType)]
    words = [field.name for field in fields if field.name not in numbers]
    filled, codes = [f"{name} filled" for name in numbers], [f"{name} code" for name in words]
    flags = [f"{name} flags" for name in words]
    order = {"stringOrderType": "alphabetAsc", "handleInvalid": "keep"}
    of_numbers = [Imputer(inputCols=numbers, outputCols=filled)]
    of_words = [
        StringIndexer(inputCols=words, outputCols=codes, **order),
        OneHotEncoder(inputCols=codes, outputCols=flags),
    ]
    together = VectorAssembler(inputCols=[*filled, *flags], outputCol="features")
    return [*(of_numbers if numbers else []), *(of_words if words else []), together]


if __name__ == "__main__":
    main()
