"""Spark: the same jobs on its executors, which read and keep their rows themselves."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from common.engines.on_spark import (
    is_report,
    label_partition,
    map_partition,
    partition_of_pair,
    reduce_partition,
    store_table,
    store_vectors,
)
from common.engines.tasks import Order
from common.engines.vectors import length_of
from common.errors import InputError, RunFailedError, UsageError
from common.events.catalogue.tasks import FAILURE, TaskFinished
from common.events.catalogue.workers import Cluster
from common.events.log import Log
from common.formats.columns import ColumnChoice
from common.jobs.base import Engine, Job
from common.model import Buffer, FloatArray, Input, Key, State, TaskOptions
from master.engines.spark.connect import connect, ship_code, translated_errors, wait_for
from master.engines.spark.rows import TEXT, SparkRows, UriFile, is_number
from master.engines.stages import ClusterData, ClusterStage, Stages, describe, describe_table
from master.engines.table import EngineRequest

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext
    from pyspark.sql import DataFrame

_ROWS_LOST = "RowsLostError"
_TIMES_READ = 3
_SHOWN_FAILURES = 100


def start_engine(request: EngineRequest) -> Engine:
    """Connect, unless that was needed to open the input, and have each executor read its splits."""
    workers, cluster, file = request.config.workers, request.config.cluster, request.file
    if isinstance(file, UriFile):
        rows = file.stored
    else:
        connection = connect(cluster.spark_master, cluster.spark_settings, cluster.cluster_timeout)
        context = request.stack.enter_context(connection)
        rows = SparkRows.of_file(context, file, workers.mappers)
    spark = rows.parts.context
    request.log.event(Cluster(engine=f"Spark {spark.version}", at=spark.master, ui=f"UI {spark.uiWebUrl}"))
    engine = SparkEngine(rows, request.tasks, workers.reducers, request.log)
    return request.stack.enter_context(engine)


@contextmanager
def open_data(data: Any, _workers: int, choice: ColumnChoice) -> Iterator[ClusterData]:
    """Open an RDD of vectors, or a data frame, on its cluster. May raise UserError."""
    from pyspark import RDD

    if not hasattr(data, "rdd") and not isinstance(data, RDD):
        raise UsageError(f"{type(data).__name__} cannot be clustered; use an RDD or a data frame")
    kind = "RDD" if isinstance(data, RDD) else "data frame"
    source, stored = _table(data, choice) if choice.takes_texts else _vectors(data, kind)
    ship_code(stored.context)
    rows = SparkRows.stored(stored)
    if not rows.rows:
        raise InputError(f"the {kind} is empty")
    yield ClusterData(partial(SparkEngine, rows), replace(source, rows=rows.rows))


def _vectors(data: Any, kind: str) -> "tuple[Input, RDD[Any]]":
    """Describe vectors, and return the RDD that stores them; its elements are those of `SparkRows.stored`."""
    names, vectors = _names_and_rows(data) if kind == "data frame" else ((), data)
    columns = len(names) or _length_of_first(vectors, kind)
    source = describe(f"the {kind}", range(columns), names)
    return source, vectors.mapPartitionsWithIndex(partial(store_vectors, source, names))


def _table(frame: "DataFrame", choice: ColumnChoice) -> "tuple[Input, RDD[Any]]":
    """Do as `_vectors` with a data frame's columns of numbers and of texts."""
    names, kinds = frame.columns, [kind for _, kind in frame.dtypes]
    texts = [column for column, kind in enumerate(kinds) if kind == TEXT]
    source = describe_table("the data frame", names, texts, choice)
    for column in source.columns:
        if not is_number(kind := kinds[column]) and kind != TEXT:
            what = f"holds {kind}, neither numbers nor texts; choose others with --columns"
            raise InputError(f"column '{names[column]}' {what}")
    plain = frame.toDF(*map(str, range(len(names))))  # names that need no quotes, and differ
    chosen = plain.select(*map(str, source.columns))
    return source, chosen.rdd.mapPartitionsWithIndex(partial(store_table, source))


def _names_and_rows(frame: "DataFrame") -> "tuple[tuple[str, ...], RDD[Any]]":
    """Return the names of a frame's columns, and its rows; one column of vectors or arrays has no names."""
    kinds = [kind for _, kind in frame.dtypes]
    if len(kinds) == 1 and (kinds[0] == "vector" or kinds[0].startswith("array<")):
        return (), frame.rdd.map(itemgetter(0))
    for name, kind in frame.dtypes:
        if not is_number(kind):
            alone = " or this one alone" if kind == "vector" or kind.startswith("array<") else ""
            raise InputError(
                f"column '{name}' holds {kind}, not numbers; frame.select(...) chooses others{alone}"
            )
    return tuple(frame.columns), frame.rdd


def _length_of_first(vectors: "RDD[Any]", kind: str) -> int:
    with translated_errors():
        first = vectors.take(1)
    if not first:
        return 0
    length = length_of(first[0])
    if not length:
        raise InputError(f"the {kind} holds {type(first[0]).__name__}, not vectors of numbers")
    return length


class SparkEngine(AbstractContextManager["SparkEngine", None]):
    """Runs jobs on the Spark context that the rows are of; it stays the caller's.

    A context manager that drops what it kept there. There is a map task for each partition of the rows. The
    log gets every task, once its stage is finished.
    """

    def __init__(self, rows: SparkRows, options: TaskOptions, reducers: int, log: Log) -> None:
        self._context = rows.parts.context
        self._rows = rows
        self._reducers = reducers
        self._log = log
        self._stages = Stages(options, rows.row_starts, log)

    def __exit__(self, *_: object) -> None:
        for kept in self._rows.kept:
            _forget(kept)

    def map_reduce(self, job: Job, state: State, iteration: int | None = None) -> dict[Key, FloatArray]:
        """Run a job; see `Engine`. Only what the reduce tasks return comes to this process."""
        for left in reversed(range(_TIMES_READ)):
            try:
                with self._stage(job, state, iteration) as stage:
                    pairs = wait_for(partial(self._reduced, stage.order))
                break
            except RunFailedError as error:
                if _ROWS_LOST not in str(error) or not left:
                    raise
                wait_for(self._rows.renew)
        stage.finish(report for key, report in pairs if key is None)
        return {key: values for key, values in pairs if key is not None}

    def map_only(self, job: Job, state: State) -> Iterator[Buffer]:
        """Run a job's map alone; see `Engine`. One partition's text at a time is in memory."""
        with ExitStack() as stack:
            with self._stage(job, state, None) as stage:
                labelled = wait_for(partial(self._labelled, stage.order))
                stack.callback(_forget, labelled)
                # Texts are only fetched after it.
                reports = wait_for(lambda: labelled.filter(is_report).values().collect())
            stage.finish(reports)
            with translated_errors():
                pairs = wait_for(labelled.toLocalIterator)
            while True:
                with translated_errors():
                    pair = wait_for(partial(next, pairs, None))
                if pair is None:
                    return
                if not is_report(pair):
                    yield pair[1]

    def _reduced(self, order: Order) -> list[Any]:
        mapped = self._rows.parts.mapPartitionsWithIndex(partial(map_partition, order))
        partitioner = partial(partition_of_pair, partitions=self._reducers)
        shuffled = mapped.partitionBy(self._reducers, partitioner)
        return list(shuffled.mapPartitionsWithIndex(partial(reduce_partition, order.job)).collect())

    def _labelled(self, order: Order) -> "RDD[Any]":
        from pyspark import StorageLevel

        labelled = self._rows.parts.mapPartitionsWithIndex(partial(label_partition, order))
        return labelled.persist(StorageLevel.MEMORY_AND_DISK)

    @contextmanager
    def _stage(self, job: Job, state: State, iteration: int | None) -> Iterator[ClusterStage]:
        """Begin a stage, name it for Spark's UI, and log the tasks that failed meanwhile."""
        stage = self._stages.begin(job, state, iteration)
        group = f"{self._stages.run}-{stage.fields['stage']}"
        description = job.name if iteration is None else f"{job.name}, iteration {iteration}"
        try:
            with translated_errors():
                wait_for(partial(self._context.setJobGroup, group, description))  # it is that thread's
                yield stage
        except BaseException:  # a signal, perhaps
            with suppress(Exception):  # the context may be gone
                self._context.cancelJobGroup(group)
            raise
        finally:
            for failure in wait_for(partial(_failures, self._context, group)):
                self._log.event(TaskFinished(**stage.fields, **failure))


def _forget(rdd: "RDD[Any]") -> None:
    with suppress(Exception):  # the context may be gone
        rdd.unpersist()


def _failures(context: "SparkContext", group: str) -> list[dict[str, Any]]:
    """Return the attempts of a job group's tasks that failed, as far as Spark still knows them."""
    with suppress(Exception):  # the context may be gone
        return list(_failed_attempts(context, group))
    return []


def _failed_attempts(context: "SparkContext", group: str) -> Iterator[dict[str, Any]]:
    tracker, store = context.statusTracker(), context._jsc.sc().statusStore()
    jobs = [tracker.getJobInfo(number) for number in tracker.getJobIdsForGroup(group)]
    stages = [(stage, min(job.stageIds)) for job in jobs if job for stage in sorted(job.stageIds)]
    for number, first in stages:
        info = tracker.getStageInfo(number)
        for attempt in range(info.currentAttemptId + 1) if info and info.numFailedTasks else ():
            tasks = store.taskList(number, attempt, _SHOWN_FAILURES)
            for task in (tasks.apply(i) for i in range(tasks.size())):
                if task.status() == "FAILED":
                    yield {"method": "Map" if number == first else "Reduce", **_failure(task)}


def _failure(task: Any) -> dict[str, Any]:
    message, duration = task.errorMessage(), task.duration()
    return {
        "from_": f"{task.host()}/executor {task.executorId()}",
        "task": task.index() + 1,
        "attempt": task.attempt() + 1,
        "status": FAILURE,
        "duration_ms": duration.get() if duration.isDefined() else 0,
        "reason": str(message.get()).splitlines()[0] if message.isDefined() else "unknown",
    }
