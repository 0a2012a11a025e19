"""Write the tables of events in docs/DUMP.md: `python -m scripts.dump_reference`."""

import inspect
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from types import ModuleType
from typing import Any

from common.events.catalogue import kmeans, logistic, palette, run, tasks, workers
from common.events.catalogue.base import EVENTS, Event

PAGE = Path(__file__).parents[1] / "docs" / "DUMP.md"
MARK = "<!-- The rest of this page is written by: python -m scripts.dump_reference -->\n"

_THEMES: dict[str, ModuleType] = {
    "The run": run,
    "Workers": workers,
    "Stages, tasks and calls": tasks,
    "K-Means": kmeans,
    "Classification": logistic,
    "Palettes": palette,
}

_MEANINGS = {
    "accuracy": "the share of the rows that it takes for what they are",
    "action": "`keep`: the centroid stays; `move`: a row moves into the cluster",
    "address": "`HOST:PORT`, where it serves; `unix:PATH` on the master's own machine",
    "anonymous_bytes": "of the resident memory, what is no file's",
    "at": "address of the scheduler or master of the cluster",
    "attempt": "number of the attempt of the task, from 1",
    "backup": "`True` if another attempt of the task was running when this one began; left out otherwise",
    "bytes": "size of the answer: of the message, or of what a stream carried",
    "categories": "names of the columns that hold categories",
    "class": "the class",
    "class_rows": "training rows of each class",
    "classes": "the classes, in order",
    "converged": "`True` if it converged",
    "by_calinski_harabasz": "the K that the Calinski-Harabasz index prefers; left out if it is not defined",
    "by_davies_bouldin": "the K that the Davies-Bouldin index prefers; left out if it is not defined",
    "by_silhouette": "the K that the silhouette prefers; left out if it is not defined",
    "by_simplified_silhouette": "the K that the simplified silhouette prefers; left out if it is not defined",
    "calinski_harabasz": "the Calinski-Harabasz index: the greater, the better",
    "davies_bouldin": "the Davies-Bouldin index: the less, the better",
    "silhouette": "the mean silhouette of squared Euclidean distances, as Spark's: the greater, the better",
    "simplified_silhouette": "the mean simplified silhouette: the greater, the better",
    "candidates": "number of candidates drawn until now",
    "checkpoint": "the file that `--resume` would use; left out if there is none",
    "colours": "the colours",
    "command": "the command, such as `run` or `classify train`; left out for Python",
    "columns": "number of columns used",
    "combine": "`--combine`",
    "cores": "number of cores that the master may use",
    "cost": "sum of squared distances of the rows to the nearest candidates",
    "cpu_ms": "CPU milliseconds of the task's process meanwhile, on Spark and Dask",
    "cpu_s": "CPU seconds of the process, all its threads together",
    "cpu_seconds": "CPU seconds of the process, all its threads together",
    "data_dir": "`--data-dir`",
    "delimiter": "what stands between the fields of a text; left out for other formats",
    "distance": "distance of the row to its old centroid",
    "dtype": "what the numbers are rounded to: `float32` or `float64`",
    "duration_ms": "milliseconds from the call to the answer; on Spark and Dask, of the task",
    "engine": "`--engine`",
    "error": "the exception",
    "f1": "2 tp / (2 tp + fp + fn) of the class",
    "file": "path of the file",
    "format": "version of the format of this file",
    "gradient": "the greatest derivative of the objective, in magnitude",
    "halvings": "how often the step was halved",
    "from": "the worker that answers or ran the task",
    "header": "`True` if the first row of a text holds the names of the columns",
    "highest": "greatest value of each column",
    "id": "number of the error in the caller's error message",
    "incarnation": "1 for the first process of this worker, 2 for the next one, ...",
    "inertia": "sum of squared distances of the rows to the centroids",
    "input": "path or address of the input",
    "intermediate": "`--intermediate`",
    "iteration": "iteration, from 1; left out outside the iterations",
    "iterations": "number of iterations done",
    "job": "name of the job: `lloyd`, `score`, ...",
    "k": "number of clusters",
    "key": "number of the cluster, from 0",
    "log_loss": "mean of -log of the probability of the right class",
    "loss": "the objective: mean loss of the training rows, and the penalty",
    "lowest": "least value of each column",
    "macro_f1": "mean of the classes' F1",
    "mappers": "number of mappers",
    "model": "`global`, or the part from 1 that a map task has fitted a model to",
    "method": "`Map`, `Reduce`, `FetchPartition`, `ReadMapOutput` or `ReadReduceOutput`",
    "numbers": "names of the columns that hold numbers",
    "of": "of how many at most",
    "offset": "how many bytes to skip: the reader has them already",
    "output_bytes": "size of the reduce output, if it came with the answer; else ReadReduceOutput brings it",
    "parameters": "number of parameters of each class",
    "pixels": "how many pixels have each colour",
    "precision": "of the rows taken for the class, the share that is right",
    "partition_records": "records of each partition",
    "peak_bytes": "the greatest memory that the task's process has had until then",
    "peak_mb": "the greatest memory that the process has had, in MB",
    "pid": "process id",
    "read_bytes": "bytes that the process has read from files; what it maps into memory does not count",
    "reason": "why",
    "recall": "of the class's rows, the share that is taken for it",
    "received_bytes": "of messages that order work, and of partitions that it fetched",
    "records": "number of records written",
    "reduce_task": "the reduce task that fetches, from 1; its partition has the same number",
    "reducers": "number of reducers",
    "resident_bytes": "memory of the process now, shared pages of libraries and files included",
    "returns": "`True` if the master starts a new process for it",
    "round": "number of the round, from 1",
    "row": "row of the input, from 1",
    "rows": "number of rows",
    "sample": "which rows: `test`, `training`, or `given` to be evaluated",
    "seconds": "seconds that the fit took",
    "sent_bytes": "of messages that answer calls",
    "settings": "all other options, as `name=value`",
    "shift": "greatest distance that a centroid moved",
    "sizes": "number of rows of each cluster, in the order of their numbers",
    "sources": "number of map outputs to fetch from",
    "stage": "number of the stage, from 1: a stage is one job over the whole input",
    "start": "which of several starts, from 1; left out if there is one",
    "status": "`SUCCESS` or `FAILURE`",
    "taken_for": "how many of its rows are taken for each class",
    "task": "number of the task in the stage, from 1",
    "text": "the text",
    "threads": "threads of each mapper; 0: all cores of its machine",
    "to": "the worker that is called",
    "ui": "where the cluster's own pages are",
    "value": "coordinates, as in centroids.txt",
    "versions": "of this program, Python and the packages it may use, as `name=version`",
    "weighted_f1": "mean of the classes' F1, weighted by their rows",
    "worker": "name of the worker: M1, R2, ...; on Dask its address",
    "role": "`mapper` or `reducer`: whose task it is",
}
_SPECIAL_MEANINGS = {
    "accuracy": "the share of the rows that it takes for what they are",
    ("Cluster", "engine"): "the cluster's software and its version",
    ("Listening", "address"): "`HOST:PORT`, where workers join; `unix:PATH` on this machine alone",
    ("AwaitingWorkers", "address"): "`HOST:PORT`, where workers join; `unix:PATH` on this machine alone",
    ("BestStart", "start"): "the best of the starts, from 1",
    ("BestStart", "of"): "number of starts",
    ("ClustersChosen", "of"): "number of K",
    ("InputUnderstood", "columns"): "names of the columns used, or their positions from 1",
    ("InputUnderstood", "format"): "`text`, `npy`, `parquet`, ...",
    ("Checkpoint", "file"): "path of the checkpoint",
    ("InitialCentroids", "iteration"): "always 0",
    ("Centroid", "iteration"): "iteration; 0: before the first one",
    ("StepFinished", "iteration"): "iteration; 0: before the first one",
    ("MapStarted", "rows"): "rows of the split, from 1: `first..last`, or `none`",
    ("RpcCall", "rows"): "of a map task: rows of the split, from 1: `first..last`, or `none`",
    ("TaskFinished", "method"): "`Map` or `Reduce`",
    ("SampledRow", "value"): "its numbers, as in centroids.txt",
    ("Unknown", "text"): "the line from `event=` on",
}
_TYPES = {int: "integer", float: "number", int | float: "number", bool: "boolean", str: "text"}


def reference() -> str:
    """Return the tables of all events, as Markdown."""
    return "\n".join(line for title, module in _THEMES.items() for line in _theme(title, module))


def _theme(title: str, module: ModuleType) -> Iterator[str]:
    yield f"\n## {title}\n\n{inspect.getdoc(module)}\n"
    for event in EVENTS.values():
        if event.__module__ == module.__name__:
            yield from _event(event)


def _event(event: type[Event]) -> Iterator[str]:
    yield f"### `{event.name}`\n\n{inspect.getdoc(event)}\n"
    found = fields(event)  # type: ignore[arg-type]  # each event is a dataclass
    if found:
        yield "| field | type | meaning |\n|---|---|---|"
    for field in found:
        key = field.name.removesuffix("_")
        meaning = _SPECIAL_MEANINGS.get((event.__name__, key)) or _MEANINGS[key]
        if field.default is MISSING:
            meaning = meaning.partition("; left out")[0]
        yield f"| `{key}` | {_type(field.type)} | {meaning} |"
    if found:
        yield ""


def _type(kind: Any) -> str:
    kinds = [each for each in getattr(kind, "__args__", ()) if each not in (type(None), ...)]
    if not kinds:
        return _TYPES[kind]
    return f"{_TYPES[kinds[0]]}, optional" if type(None) in kind.__args__ else f"{_TYPES[kinds[0]]}s"


if __name__ == "__main__":
    kept = PAGE.read_text().partition(MARK)[0]
    PAGE.write_text(f"{kept}{MARK}{reference()}")
