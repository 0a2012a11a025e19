"""Open the estimator's data: arrays, files, and what Spark and Dask hold."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from common.errors import UsageError, refusals_in_one_line
from common.events.catalogue.run import RunStarted
from common.events.dump import Dump
from common.events.log import RunLog
from common.formats.columns import ALL_COLUMNS, ColumnChoice
from common.jobs.base import Engine
from common.kernels.sparse import SparseRows
from common.model import (
    FloatArray,
    FloatType,
    Input,
    IntArray,
    PointArray,
    RecordFormat,
    Table,
    TaskOptions,
)
from common.records.text import decode
from common.store.log_file import LogFile
from master.algorithms.kmeans.config import KMeansConfig
from master.algorithms.kmeans.initial import FewerDistinctRowsError
from master.algorithms.kmeans.loop import KMeansResult, fit
from master.algorithms.kmeans.measures import Measures, measure
from master.algorithms.kmeans.score import score
from master.algorithms.kmeans.unit import INPUT_UNIT, Unit, choose_unit, config_in
from master.algorithms.kmeans.weights import labelling, ranges_of
from master.engines.inline import InlineEngine
from master.engines.table import ENGINES, check_installed, load_function
from master.estimator.tables import save_table
from master.estimator.text_file import TextFile
from master.estimator.verbose import open_view
from master.options.groups import (
    FileOptions,
    HostOptions,
    InputOptions,
    OutputOptions,
    RunConfig,
    WorkerOptions,
)
from master.run.recorder import Recorder
from master.run.session import open_session, open_source
from master.run.settings import surroundings


@dataclass(frozen=True)
class RunSettings:
    """How to run, the log's file, and whether to show a run's progress."""

    workers: WorkerOptions
    dump: Path | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Data:
    """An open engine, the size of its input, the log, and the columns' names, if they have any."""

    engine: Engine
    rows: int
    columns: int
    log: RunLog
    names: tuple[str, ...] = ()
    source: Input | None = None
    """Of a file, and data on a cluster: what the workers know about it."""
    points: PointArray | SparseRows | None = None
    """The rows of an array."""
    weights: str | None = None
    """What holds the rows' weights, if they have any."""

    def fit(self, config: KMeansConfig) -> KMeansResult:
        """Run K-Means.

        If fewer rows are distinct than there are clusters, these and copies of them are the only start.
        """
        unit = self.unit(config)
        engine = unit.on(self.engine)
        try:
            result = fit(engine, self.rows, config_in(unit, config), self.log)
        except FewerDistinctRowsError as found:
            copies = np.resize(found.points, (config.k, self.columns))
            alone = replace(config, n_init=1, initial=copies)
            result = fit(engine, self.rows, alone, self.log)
        return replace(result, unit=unit)

    def unit(self, config: KMeansConfig) -> Unit:
        """Return the unit in which a configuration clusters the rows."""
        return choose_unit(self.engine, self.rows, self.columns, config)

    @property
    def dtype(self) -> npt.DTypeLike:
        """Return what centroids are kept as: an array's type, else float64."""
        return np.float64 if self.points is None else self.points.dtype

    def labels(self, centroids: FloatArray, unit: Unit = INPUT_UNIT) -> IntArray:
        """Return each row's nearest centroid, shape (rows,), in a unit."""
        job, state = labelling(self.weights), {"centroids": centroids, **unit.entry}
        if isinstance(self.engine, InlineEngine):  # no text on the way
            return cast(IntArray, self.engine.map_records(job, state).keys)
        return cast(IntArray, decode(b"".join(self.engine.map_only(job, state))).keys)

    def inertia(self, centroids: FloatArray, unit: Unit = INPUT_UNIT) -> float:
        """Return the sum of the rows' squared distances to their nearest centroids, by their weights."""
        engine = unit.on(self.engine)
        return score(engine, ranges_of(engine, self.rows, self.weights), [centroids])[0][1]

    def measures(self, result: KMeansResult) -> Measures:
        """Return how good the clusters of a result are."""
        engine = result.unit.on(self.engine)
        ranges = ranges_of(engine, self.rows, self.weights)
        return measure(engine, ranges, [(result.centroids, result.sizes)])[0]


@contextmanager
def open_weighted(
    points: PointArray | SparseRows, weights: FloatArray, settings: RunSettings
) -> Iterator[Data]:
    """Open rows in memory with their weights, shape (rows,): as the last column of float64 rows."""
    width = points.shape[1]
    rows = _beside(points, weights)
    with open_array(rows, settings, ColumnChoice(weights=str(width + 1))) as data:
        yield replace(data, columns=width, points=points, weights="sample_weight")


def _beside(points: PointArray | SparseRows, column: FloatArray) -> PointArray | SparseRows:
    if isinstance(points, SparseRows):
        return points.beside(column)
    rows: FloatArray = np.column_stack([points, column])
    return rows


@contextmanager
def open_array(
    rows: PointArray | SparseRows | Table, settings: RunSettings, choice: ColumnChoice = ALL_COLUMNS
) -> Iterator[Data]:
    """Open rows in memory; for processes they are written to a file that only its owner can read."""
    row = ENGINES[settings.workers.engine]
    points = rows.points if isinstance(rows, Table) else rows
    if row.open_array is not None:
        threads = row.threads(settings.workers, HostOptions())
        number, columns = points.shape
        with _open_log(settings, number, columns) as log, _thread_pools().limit(limits=1, user_api="blas"):
            engine = load_function(row.open_array)(rows, combine=True, threads=threads)
            yield Data(engine, number, columns, log, points=points)
    elif isinstance(rows, SparseRows) or isinstance(points, SparseRows):
        raise UsageError(
            "sparse rows are clustered in this process alone: choose engine='inline', or X.toarray()"
        )
    else:
        with refusals_in_one_line(), TemporaryDirectory(prefix="kmeans-") as folder:
            path = Path(folder) / "rows"
            path.touch(0o600)
            choice = _save(path, rows, choice)
            with open_file(TextFile(path), settings, FloatType(points.dtype.name), choice) as data:
                yield replace(data, points=points)


def _save(path: Path, rows: PointArray | Table, choice: ColumnChoice) -> ColumnChoice:
    """Write rows to a file that is there; return which columns to read."""
    if isinstance(rows, Table):
        return save_table(path, rows)
    with path.open("wb") as file:
        np.save(file, rows)
    return choice


@contextmanager
def open_file(
    file: TextFile,
    settings: RunSettings,
    dtype: FloatType = FloatType.FLOAT64,
    choice: ColumnChoice = ALL_COLUMNS,
) -> Iterator[Data]:
    """Open a file as the command line does, with the folders of the run in a temporary one."""
    with refusals_in_one_line(), TemporaryDirectory(prefix="kmeans-") as name:
        folder = Path(name)
        kind = RecordFormat.ARROW if ENGINES[settings.workers.engine].writes_files else RecordFormat.TEXT
        config = RunConfig(
            input=InputOptions(os.fspath(file.path), file.columns, dtype),
            text=file.options,
            output=OutputOptions(folder / "data", settings.dump or folder / "dump.txt"),
            workers=settings.workers,
            files=FileOptions(combine=True, intermediate=kind),
            choice=choice,
        )
        with (
            open_source(config) as source,
            open_session(config, source, open_view(verbose=settings.verbose)) as session,
            _thread_pools().limit(limits=1, user_api="blas"),
        ):
            found = source.file.input
            columns = len(found.columns) - found.has_weights
            yield Data(session.engine, found.rows, columns, session.log, source=found, weights=choice.weights)


@contextmanager
def _open_dump(path: Path) -> Iterator[Dump]:
    with closing(LogFile(path)) as file, closing(Dump(file.path, append=True)) as dump:
        yield dump


@contextmanager
def _open_log(settings: RunSettings, rows: int, columns: int) -> Iterator[RunLog]:
    """Yield a log for a run that keeps no folders."""
    screen = open_view(verbose=settings.verbose)
    with (
        nullcontext() if settings.dump is None else _open_dump(settings.dump) as dump,
        closing(Recorder(dump, screen)) as log,
    ):
        started = RunStarted(
            **surroundings(),
            input="(memory)",
            rows=rows,
            columns=columns,
            engine=settings.workers.engine,
            mappers=settings.workers.mappers,
            reducers=settings.workers.reducers,
            combine=True,
            threads=settings.workers.threads,
            settings=(),
        )
        log.event(started)
        yield log


def kind_of(data: Any) -> str:
    """Return what data are: a "file", the engine on whose cluster they lie, or an "array" for NumPy."""
    if isinstance(data, str | os.PathLike | TextFile):
        return "file"
    package = type(data).__module__.partition(".")[0]
    on_clusters = {row.package.name: name for name, row in ENGINES.items() if row.package and row.open_data}
    return on_clusters.get(package, "array")


@contextmanager
def open_data(data: Any, settings: RunSettings, choice: ColumnChoice = ALL_COLUMNS) -> Iterator[Data]:
    """Open data that lie on a cluster, and stay there."""
    kind, workers = kind_of(data), settings.workers
    check_installed(kind)
    target = ENGINES[kind].open_data
    assert target is not None
    options = TaskOptions(combine=True, threads=workers.threads or 1)
    with (
        load_function(target)(data, workers.mappers, choice) as (start_engine, source),
        _open_log(settings, source.rows, len(source.columns)) as log,
        start_engine(options, workers.reducers, log) as engine,
    ):
        yield Data(engine, source.rows, len(source.columns), log, source.names, source)


def open_table(
    data: Any, columns: str | None, settings: RunSettings, choice: ColumnChoice
) -> AbstractContextManager[Data]:
    """Open a file, or a data frame on a cluster, with columns of texts."""
    if kind_of(data) == "file":
        return open_file(TextFile.of(data, columns), settings, choice=choice)
    if not hasattr(data, "columns"):
        raise UsageError(f"{type(data).__name__} has no columns with names; use a data frame")
    return open_data(data, settings, replace(choice, wanted=columns))


@cache
def _thread_pools() -> Any:
    """Find the BLAS library; it gets one thread in each of ours, which use the cores already."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
