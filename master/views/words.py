"""Events in words, for the screen."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.errors import counted
from common.events.catalogue import kmeans, logistic, palette, run, tasks, workers
from common.events.catalogue.base import Event

_SHOWN_CENTROIDS = 8
_SHOWN_COLUMNS = 8
_SHOWN_NAMES = 12

HIDDEN: tuple[type[Event], ...] = (
    palette.PaletteFound,
    run.Checkpoint,
    run.Labels,
    run.Result,
    run.RunFinished,
    run.SampledRow,
    run.Unknown,
    workers.WorkerStarted,
    workers.WorkerUsage,
    workers.WorkerSaid,
    tasks.StageStarted,
    tasks.LateAnswerDropped,
    tasks.MapStarted,
    tasks.MapFinished,
    tasks.ReduceStarted,
    tasks.ReduceFinished,
    kmeans.Input,
    kmeans.Clusters,
    kmeans.ClustersMeasured,
    kmeans.ClustersChosen,
    logistic.ModelScored,
    logistic.ClassConfusion,
)
"""Events that only dump.txt needs, or that the lines at the end of a run repeat; so are those of others."""

TEMPLATES: dict[type[Event], str] = {
    run.RunStarted: (
        "{input}: {counted_rows}, {counted_columns}; engine {engine}, {counted_mappers}, {counted_reducers}"
    ),
    run.CompilingKernels: "compiling kernels, once for this copy of the program: up to a minute …",
    run.Resumed: "\nresumed after iteration {iteration}",
    run.IterationStarted: "\niteration {iteration} of {of}",
    run.CheckpointFailed: "  warning: {file} cannot be written ({reason}); the run goes on without it",
    run.CheckpointSkipped: "  {file} cannot be used ({reason}); the run continues from an older checkpoint",
    run.InternalError: "  an error in the program itself: {error}",
    workers.StartingWorkers: "starting {counted_mappers} and {counted_reducers} …",
    workers.AwaitingWorkers: "waiting for mappers: {mappers}, reducers: {reducers}; start each by: {join}",
    workers.Listening: "more workers may join by: {join}",
    workers.WorkerJoined: "{worker} joined at {address}",
    workers.WorkerSilent: "  no heartbeat from {worker}; it gets no new tasks",
    workers.WorkerSuspected: "  {worker} did not answer; it gets no new tasks",
    workers.WorkerHeard: "  {worker} answers again",
    workers.WorkerKilled: "  {reason}; it is killed",
    workers.Cluster: "{engine} at {at}; {ui}",
    workers.WorkerCame: "  {worker} came",
    workers.WorkerLeft: "  LOST {worker}",
    kmeans.InitRound: "  round {round} of the start: {counted_candidates}",
    kmeans.InitialCentroids: "\n{start}initial centroids",
    kmeans.EmptyCluster: "  cluster {key} is empty; its centroid stays",
    kmeans.IterationFinished: "  {start}largest shift {shift:g}",
    kmeans.Inertia: "  {start}inertia {inertia}",
    kmeans.BestStart: "\nbest: {start}of {of} starts; inertia {inertia}",
    kmeans.ResultInDoubt: "warning: {reason}",
    kmeans.Stopped: "\n{start}{reason}; {counted_iterations}, inertia {inertia}",
    logistic.StepFinished: "  loss {loss:.9g}, greatest derivative {gradient:.3g}",
    logistic.FitFinished: "\n{reason}; {counted_iterations}, loss {loss:.9g}",
    logistic.FitInDoubt: "warning: {reason}",
    logistic.PartModel: "  part {model}: {counted_rows}, {counted_iterations}",
}
"""What the screen shows: an event's fields in words; `start` names one of several starts, if there are,
`join` is the command of a worker that joins, and `counted_mappers` has the noun, too."""
_COUNTED = ("rows", "columns", "mappers", "reducers", "candidates", "iterations")


def stopped_in_words(
    event: kmeans.Stopped, settings: Mapping[str, str], shifts: Mapping[int | None, float]
) -> str:
    """Say why a start has stopped, and what helps if it has not converged."""
    shift, tol = shifts.get(event.start, 0.0), float(settings.get("tol", "inf"))
    if shift <= tol:
        return in_words(event) or ""
    return (
        f"\n{_start(event)}stopped after {counted(event.iterations, 'iteration')}, not converged "
        f"(shift {shift:.3g} > tol {tol:g}): raise --iters; inertia {event.inertia}"
    )


def hints(settings: Mapping[str, str]) -> list[str]:
    """Say what may give a better result, if there was one random start."""
    alone = settings.get("init") == "random" and settings.get("n_init") == "1"
    if alone and "init_centroids" not in settings and settings.get("k") != "1":
        return ["another start may end lower: try --init k-means++ or --n-init 10"]
    return []


def in_words(event: Event) -> str | None:
    """Put an event into words; None for one that is not shown."""
    if isinstance(event, kmeans.EmptyCluster) and event.row is not None:
        return f"  cluster {event.key} is empty; it takes row {event.row}, the farthest from its centroid"
    if type(event) in SPOKEN:
        return SPOKEN[type(event)](event)
    more = {"start": _start(event), "join": _join(event), **counts_in(event)}
    template = TEMPLATES.get(type(event))
    return None if template is None else template.format_map(vars(event) | more)


def _failed(event: run.RunFailed) -> str | None:
    path = event.checkpoint
    return None if path is None else f"\nto continue from {path}, repeat the command with --resume"


def _lost(event: workers.WorkerLost) -> str:
    return f"  LOST {event.reason}; it is {'' if event.returns else 'not '}restarted"


def _called(event: tasks.RpcCall) -> str:
    return f"  -> {event.to} {_task(event)}"


def _answered(event: tasks.RpcResponse | tasks.TaskFinished) -> str:
    reason = "" if event.reason is None else f" ({event.reason})"
    return f"  <- {event.from_} {_task(event)} {event.status}{reason} {event.duration_ms} ms"


def counts_in(event: Event) -> dict[str, str]:
    """Return how many there are of what an event counts, with the noun."""
    known = vars(event)
    return {
        f"counted_{name}": counted(known[name], name.removesuffix("s"))
        for name in _COUNTED
        if isinstance(known.get(name), int)
    }


def _listed(names: Sequence[str], after: Sequence[str] = ()) -> str:
    """List names, in quotes where one holds a comma or a quote, each with what stands after it."""
    parts = [_quoted(name) + more for name, more in zip(names, after or [""] * len(names), strict=True)]
    if len(parts) > _SHOWN_NAMES:
        parts = [*parts[: _SHOWN_NAMES - 1], "...", parts[-1]]
    return ", ".join(parts)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"' if "," in name or '"' in name else name


def _understood(event: run.InputUnderstood) -> str:
    between = "" if event.delimiter is None else f", {event.delimiter} between fields"
    header = "; the first row is a header" if event.header else ""
    return f"input: {event.format}{between}{header}; columns {_listed(event.columns)}"


def _learned(event: logistic.TableLearned) -> str:
    rows = [f" ({rows})" for rows in event.class_rows]
    parts = {"numbers": event.numbers, "categories": event.categories}
    columns = "; ".join(f"{name}: {_listed(texts)}" for name, texts in parts.items() if texts)
    return f"{columns}; classes, with their training rows: {_listed(event.classes, rows)}"


def _task(event: tasks.RpcCall | tasks.RpcResponse | tasks.TaskFinished) -> str:
    job = f" {event.job}" if event.iteration is None else ""
    attempt = "" if event.attempt is None else f" attempt {event.attempt}"
    return f"{event.method}{job} task {event.task}{attempt}"


def _join(event: Event) -> str:
    address = getattr(event, "address", "")
    more = "--folder NAME" if address.startswith("unix:") else "--certs FOLDER"
    return f"python -m mapper (or reducer) --join {address} {more}"


def _start(event: Event) -> str:
    start = getattr(event, "start", None)
    return "" if start is None else f"start {start}, "


def _centroid(event: kmeans.Centroid) -> str | None:
    if event.key >= _SHOWN_CENTROIDS:
        return "  ... the others are in dump.txt" if event.key == _SHOWN_CENTROIDS else None
    shown = event.value.split(",", _SHOWN_COLUMNS)
    rest = ",..." if len(shown) > _SHOWN_COLUMNS else ""
    return f"  {_start(event)}centroid {event.key}: {','.join(shown[:_SHOWN_COLUMNS])}{rest}"


SPOKEN: dict[type[Event], Callable[[Any], str | None]] = {
    run.RunFailed: _failed,
    run.InputUnderstood: _understood,
    workers.WorkerLost: _lost,
    tasks.RpcCall: _called,
    tasks.RpcResponse: _answered,
    tasks.TaskFinished: _answered,
    kmeans.Centroid: _centroid,
    logistic.TableLearned: _learned,
}
"""The events that need more than a template."""
