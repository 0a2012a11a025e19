"""Events in words, as the screen shows them."""

from common.events.catalogue import kmeans, run, tasks, workers
from common.events.catalogue.base import Event
from common.events.line import event_text

_SHOWN_CENTROIDS = 8
_SHOWN_COLUMNS = 8

_HIDDEN = (
    run.Checkpoint,
    run.Labels,
    run.Result,
    run.RunFinished,
    workers.WorkerStarted,
    workers.WorkerSaid,
    tasks.StageStarted,
    kmeans.Input,
    kmeans.Clusters,
)
"""Events that only dump.txt needs, or that the lines at the end of a run repeat."""

TEMPLATES: dict[type[Event], str] = {
    run.RunStarted: (
        "{input}: {rows} rows, {columns} columns; engine {engine}, {mappers} mappers, {reducers} reducers"
    ),
    run.Resumed: "\nresumed after iteration {iteration}",
    run.IterationStarted: "\niteration {iteration} of {of}",
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
    kmeans.InitialCentroids: "\n{start}initial centroids",
    kmeans.EmptyCluster: "  cluster {key} is empty; its centroid stays",
    kmeans.IterationFinished: "  {start}largest shift {shift:g}",
    kmeans.BestStart: "\nbest: {start}of {of} starts; inertia {inertia}",
    kmeans.Stopped: "\n{start}{reason}; {iterations} iterations, inertia {inertia}",
}
"""What the screen shows: an event's fields in words; `start` names one of several starts, if there are, and
`join` is the command of a worker that joins."""


def in_words(event: Event) -> str | None:
    """Put an event into words; None for one that is not shown."""
    match event:
        case run.RunFailed(checkpoint=path):
            return None if path is None else f"\nto continue from {path}, repeat the command with --resume"
        case run.Header():
            return f"input: header found: {', '.join(event.names)}"
        case workers.WorkerLost():
            return f"  LOST {event.reason}; it is {'' if event.returns else 'not '}restarted"
        case tasks.RpcCall():
            return f"  -> {event.to} {_task(event)}"
        case tasks.RpcResponse() | tasks.TaskFinished():
            reason = "" if event.reason is None else f" ({event.reason})"
            return f"  <- {event.from_} {_task(event)} {event.status}{reason} {event.duration_ms} ms"
        case kmeans.Centroid():
            return _centroid(event)
        case kmeans.EmptyCluster(row=int(row)):
            return f"  cluster {event.key} is empty; it takes row {row}, the farthest from its centroid"
    if isinstance(event, _HIDDEN):
        return None
    if type(event) not in TEMPLATES:
        return f"  {event_text(event)}"
    return TEMPLATES[type(event)].format_map(vars(event) | {"start": _start(event), "join": _join(event)})


def _task(event: tasks.RpcCall | tasks.RpcResponse | tasks.TaskFinished) -> str:
    job = f" {event.job}" if event.iteration is None else ""
    attempt = "" if event.attempt is None else f" attempt {event.attempt}"
    return f"{event.method}{job} task {event.task}{attempt}"


def _join(event: Event) -> str:
    address = getattr(event, "address", "")
    certs = "" if address.startswith("unix:") else " --certs FOLDER"
    return f"python -m mapper (or reducer) --join {address}{certs}"


def _start(event: Event) -> str:
    start = getattr(event, "start", None)
    return "" if start is None else f"start {start}, "


def _centroid(event: kmeans.Centroid) -> str | None:
    if event.key >= _SHOWN_CENTROIDS:
        return "  ... the others are in dump.txt" if event.key == _SHOWN_CENTROIDS else None
    shown = event.value.split(",", _SHOWN_COLUMNS)
    rest = ",..." if len(shown) > _SHOWN_COLUMNS else ""
    return f"  {_start(event)}centroid {event.key}: {','.join(shown[:_SHOWN_COLUMNS])}{rest}"
