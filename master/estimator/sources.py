"""Where rows come from, and the engine that is opened over them: arrays and files."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from common.errors import UsageError
from common.events.dump import Dump
from common.events.event import Log
from common.formats.dataset import open_input
from common.jobs.apply import map_rows
from common.jobs.centroids import Label
from common.jobs.engine import Engine
from common.model import FloatArray, FloatType, IntArray, PointArray, RecordFormat, TaskOptions
from common.records.text import decode
from master.algorithms.kmeans.score import describe, score
from master.engines.inline import InlineEngine
from master.options.groups import EngineName, RunConfig, threads_each
from master.run.recorder import Recorder
from master.run.session import open_data_dir, open_session
from master.views.terminal import open_screen

_CLUSTERS = ("spark", "dask")


@dataclass(frozen=True)
class Place:
    """Where to run, and what to say about it.

    Parameters
    ----------
    engine, mappers, reducers, threads
        As on the command line.
    columns
        Of a file: those to use, as on the command line.
    dump
        The log; None: none is kept.
    verbose
        Show what the command line shows.
    """

    engine: EngineName
    mappers: int
    reducers: int
    threads: int
    columns: str | None = None
    dump: Path | None = None
    verbose: bool = False


@dataclass(frozen=True)
class Data:
    """Rows with an engine over them.

    Parameters
    ----------
    engine
        Open.
    rows, columns
        How many.
    log
        Of what the engine's user does.
    names
        Of the columns, if they have any.
    """

    engine: Engine
    rows: int
    columns: int
    log: Log
    names: tuple[str, ...] = field(default=(), kw_only=True)

    def labels(self, centroids: FloatArray) -> IntArray:
        """Return each row's nearest centroid, shape (rows,)."""
        text = b"".join(self.engine.map_only(Label(), {"centroids": centroids}))
        return decode(text).keys

    def inertia(self, centroids: FloatArray) -> float:
        """Return the sum of the rows' squared distances to their nearest centroids."""
        ranges = describe(self.engine, self.rows)
        return score(self.engine, ranges, centroids[None])[0][1]


@dataclass(frozen=True)
class _InMemory(Data):
    """Rows of this process, whose labels need not become text on their way."""

    points: PointArray
    threads: int

    def labels(self, centroids: FloatArray) -> IntArray:
        """Return each row's nearest centroid, shape (rows,)."""
        state = {"centroids": centroids}
        return map_rows(Label(), state, self.points, 0, combine=False, threads=self.threads).keys


@contextmanager
def open_array(points: PointArray, place: Place) -> Iterator[Data]:
    """Open rows in memory; for processes they are written to a file that only its owner can read."""
    if place.engine == "inline":
        threads = threads_each(place.threads, place.mappers, place.engine)
        with keep_log(place) as log, _one_blas_thread():
            rows, columns = points.shape
            engine = InlineEngine(points, combine=True, threads=threads)
            yield _InMemory(engine, rows, columns, log, points, threads)
    else:
        with TemporaryDirectory(prefix="kmeans-") as folder:
            path = Path(folder) / "points.npy"
            with open(path, "wb", opener=_private) as file:
                np.save(file, points)
            with open_file(path, place, FloatType(points.dtype.name)) as data:
                yield data


@contextmanager
def open_file(
    path: str | os.PathLike[str], place: Place, dtype: FloatType = FloatType.FLOAT64
) -> Iterator[Data]:
    """Open a file as the command line does, with the folders of the run in a temporary one."""
    if place.engine in _CLUSTERS:
        with _on_cluster(place.engine).open_file(path, place, dtype) as data:
            yield data
        return
    file = open_input(os.fspath(path), place.columns, dtype)
    with TemporaryDirectory(prefix="kmeans-") as name:
        folder = Path(name)
        tasks = TaskOptions(
            combine=True,
            intermediate=RecordFormat.ARROW,
            threads=threads_each(place.threads, place.mappers, place.engine),
        )
        config = RunConfig(
            mappers=place.mappers,
            reducers=place.reducers,
            input=Path(path),
            columns=place.columns,
            data_dir=folder / "data",
            dump=place.dump or folder / "dump.txt",
            labels=None,
            engine=place.engine,
            dtype=dtype,
            tasks=tasks,
        )
        screen = open_screen(quiet=not place.verbose)
        with (
            open_data_dir(config) as data_dir,
            open_session(config, file, data_dir, screen) as session,
            _one_blas_thread(),
        ):
            yield Data(session.engine, file.input.rows, len(file.input.columns), session.log)


@contextmanager
def keep_log(place: Place) -> Iterator[Log]:
    """Yield the log of a run without files of its own."""
    with ExitStack() as stack:
        dump = None
        if place.dump is not None:
            dump = Dump(place.dump)
            stack.callback(dump.close)
        log = Recorder(dump, open_screen(quiet=not place.verbose))
        stack.callback(log.close)
        yield log


def kind_of(data: Any) -> str | None:
    """Tell what data are: a "file", of "spark", of "dask"; None: what NumPy can make an array of."""
    if is_path(data):
        return "file"
    package = type(data).__module__.partition(".")[0]
    return {"pyspark": "spark", "dask": "dask"}.get(package)


@contextmanager
def open_elsewhere(data: Any, place: Place) -> Iterator[Data]:
    """Open what has a kind, where it lies."""
    kind = kind_of(data)
    opened = open_file(data, place) if kind == "file" else _on_cluster(kind).open_data(data, place)
    with opened as there:
        yield there


def _on_cluster(name: str | None) -> Any:
    """Import what is needed for a cluster, or say what is missing."""
    package = {"spark": "pyspark", "dask": "distributed"}[name or ""]
    if find_spec(package) is None:
        packages = {"spark": "'pyspark>=4,<5'", "dask": "dask distributed"}[name or ""]
        raise UsageError(f"{name} is not installed: pip install {packages}")
    return import_module(f"master.estimator.on_{name}")


@contextmanager
def open_on_cluster(
    engine_of: Callable[[TaskOptions, int, Log], AbstractContextManager[Engine]],
    rows: int,
    columns: int,
    place: Place,
    names: tuple[str, ...] = (),
) -> Iterator[Data]:
    """Open rows that a cluster has; `engine_of` makes the engine of options, reducers and log."""
    options = TaskOptions(combine=True, threads=place.threads or 1)
    with keep_log(place) as log, engine_of(options, place.reducers, log) as engine:
        yield Data(engine, rows, columns, log, names=names)


def is_path(data: Any) -> bool:
    """Tell whether data are given as the path of a file."""
    return isinstance(data, str | os.PathLike)


def _one_blas_thread() -> AbstractContextManager[object]:
    """Leave the cores to our own threads, each with a library that has one."""
    controller = _blas_controller()
    return controller.limit(limits=1, user_api="blas") if controller else nullcontext()


@cache
def _blas_controller() -> Any:
    """Find the libraries, once; None without threadpoolctl, which comes with scikit-learn."""
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
