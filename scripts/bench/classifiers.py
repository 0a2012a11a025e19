"""One classifier in a process of its own, which fits the same table as often as it is asked to.

It reads the table, makes everything ready, fits once to warm up, and says what that took. Then each line on
standard input is a fit, and a line of JSON answers it. What is made ready is what stays the same from fit to
fit: numbers are standardised and categories encoded, in memory; ours has its workers, who hold their rows.

All minimise the same: the mean loss plus half the squared weights / rows.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from scripts.bench.mappers import MapperMemory
from scripts.bench.measure import THREADS
from scripts.bench.tables import LEVELS, NUMBERS, TARGET

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Table:
    """A table that is there, as Parquet."""

    path: Path
    rows: int
    with_texts: bool

    @property
    def numbers(self) -> list[str]:
        """The columns of numbers."""
        return [f"x{i}" for i in range(NUMBERS)]

    @property
    def texts(self) -> list[str]:
        """The columns of texts that are used."""
        return list(LEVELS) if self.with_texts else []


@dataclass(frozen=True)
class Fitted:
    """A model: for each class the weights of the numbers, then of the categories in order of their texts."""

    weights: Array
    iterations: int


Fit = Callable[[], Fitted]


@contextmanager
def _ours(table: Table) -> Iterator[tuple[Fit, dict[str, Any]]]:
    """Start workers as the command line does; the columns are learnt before the clock starts."""
    from common.formats.columns import ColumnChoice
    from common.kernels.logistic.objective import Objective
    from common.model import RecordFormat
    from master.algorithms.logistic.config import LogisticConfig
    from master.algorithms.logistic.learning import learn
    from master.algorithms.logistic.loop import fit
    from master.options.groups import FileOptions, InputOptions, OutputOptions, RunConfig, WorkerOptions
    from master.run.session import open_session, open_source
    from master.views.terminal import open_screen

    options = LogisticConfig()
    with TemporaryDirectory(prefix="bench-") as folder:
        config = RunConfig(
            input=InputOptions(str(table.path), ",".join([*table.numbers, *table.texts])),
            output=OutputOptions(Path(folder) / "data", Path(folder) / "dump.txt"),
            workers=WorkerOptions(mappers=THREADS, reducers=1, threads=1),
            files=FileOptions(intermediate=RecordFormat.ARROW),
            choice=ColumnChoice(takes_texts=True, target=TARGET),
        )
        with (
            open_source(config) as source,
            open_session(config, source, open_screen(quiet=True)) as session,
            MapperMemory() as memory,
        ):
            began_s = time.perf_counter()
            learned = learn(session.engine, source.file.input, options.sample("error"), balanced=False)
            facts = {"learn_s": time.perf_counter() - began_s}
            penalties = np.ones(learned.parameters)
            penalties[NUMBERS] = 0.0
            l2 = options.penalty(learned.rows, len(learned.classes))
            objective = Objective(learned.grid, learned.weight, l2, penalties)

            def run() -> Fitted:
                step = fit(
                    *(session.engine, learned, objective),
                    iterations=options.iterations,
                    tol=options.tol,
                    log=session.log,
                )
                return Fitted(np.delete(step.theta, NUMBERS, axis=1), step.iteration)

            yield run, facts | {"mappers": memory.seen}


@contextmanager
def _sklearn(table: Table, **options: Any) -> Iterator[tuple[Fit, dict[str, Any]]]:
    """Lbfgs is several times faster with a sparse matrix, even of numbers alone; the other solver is not."""
    import pandas as pd
    from scipy.sparse import csr_matrix, hstack
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = pd.read_parquet(table.path, columns=[*table.numbers, *table.texts, TARGET])
    rows = csr_matrix(StandardScaler().fit_transform(frame[table.numbers]))
    if table.texts:
        rows = hstack([rows, OneHotEncoder().fit_transform(frame[table.texts])]).tocsr()
    rows = rows.toarray() if "solver" in options else rows
    labels = frame[TARGET].cat.codes.to_numpy()
    model = LogisticRegression(**options)

    def run() -> Fitted:
        model.fit(rows, labels)
        return Fitted(model.coef_, int(model.n_iter_[0]))

    yield run, {}


@contextmanager
def _mllib(table: Table) -> Iterator[tuple[Fit, dict[str, Any]]]:
    """Cache vectors in Spark; `standardization` would standardise categories, which is another model."""
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{THREADS}]").config("spark.driver.memory", "8g")
    session = builder.config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    texts = [*table.texts, TARGET]
    codes, hot = [f"{name} code" for name in texts], [f"{name} hot" for name in table.texts]
    stages: list[Any] = [
        StringIndexer(inputCols=texts, outputCols=codes, stringOrderType="alphabetAsc"),
        VectorAssembler(inputCols=table.numbers, outputCol="numbers"),
        StandardScaler(inputCol="numbers", outputCol="scaled", withMean=True),
    ]
    if hot:
        stages.append(OneHotEncoder(inputCols=codes[:-1], outputCols=hot, dropLast=False))
    stages.append(VectorAssembler(inputCols=["scaled", *hot], outputCol="features"))
    frame = session.read.parquet(str(table.path))
    rows = Pipeline(stages=stages).fit(frame).transform(frame).select("features", f"{TARGET} code")
    rows = rows.repartition(THREADS).cache()
    rows.count()
    options: dict[str, Any] = {"regParam": 1 / table.rows, "standardization": False, "family": "multinomial"}
    estimator = LogisticRegression(labelCol=f"{TARGET} code", **options)

    def run() -> Fitted:
        model = estimator.fit(rows)
        return Fitted(model.coefficientMatrix.toArray(), model.summary.totalIterations)

    yield run, {}
    session.stop()


CLASSIFIERS: dict[str, Callable[[Table], Any]] = {
    "ours": _ours,
    "MLlib": _mllib,
    "lbfgs": _sklearn,
    "lbfgs, tol 1e-10": lambda table: _sklearn(table, tol=1e-10, max_iter=10_000),
    "newton-cholesky": lambda table: _sklearn(table, solver="newton-cholesky", tol=1e-6),
}


def _cpu_s() -> float:
    """Return the processor time of this process and of all below it."""
    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _measured(fit: Fit, weights: Path) -> dict[str, float]:
    """Fit, and write the weights to a file, which is not timed."""
    began_s, began_cpu_s = time.perf_counter(), _cpu_s()
    fitted = fit()
    seconds, cpu_s = time.perf_counter() - began_s, _cpu_s() - began_cpu_s
    np.save(weights, fitted.weights)
    return {"seconds": seconds, "cpu_s": cpu_s, "iterations": fitted.iterations}


def main(name: str, path: str, rows: str, with_texts: str, weights: str) -> None:
    """Make a classifier ready, and fit once for each line."""
    table = Table(Path(path), int(rows), with_texts == "True")
    with CLASSIFIERS[name](table) as (fit, facts):
        print(json.dumps(_measured(fit, Path(weights)) | facts), flush=True)
        for _ in sys.stdin:
            print(json.dumps(_measured(fit, Path(weights))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
