"""What an algorithm told: iterations, centroids, scores."""

from typing import Any

from common.events.catalogue import kmeans, logistic, palette, run
from common.events.catalogue.base import Event
from master.views.run_state.choice import Choice
from master.views.run_state.tasks import number

_KEPT_ITERATIONS = 2000
_KEPT_SCORES = 1000
_KEPT_ROWS = 500
_SHOWN_CLUSTERS, _SHOWN_COLUMNS = 100, 20
_MOST_NUMBERS = 60_000
_DIGITS = 7


class Results:
    """Iterations and results; `start` is 1 if there is only one."""

    def __init__(self) -> None:
        self._iterations: dict[int, dict[str, Any]] = {}
        self._centroids = CentroidHistory()
        self._result: dict[str, Any] = {}
        self._bounds: list[list[float | None]] | None = None
        self._rows: dict[int, list[float | None]] = {}
        self._stopped: dict[int, dict[str, Any]] = {}
        self._scores = Scores()
        self._choice = Choice()
        self._palette: list[tuple[str, int]] | None = None

    def take(self, at_ms: float, event: Event) -> None:
        """Take in an event."""
        match event:
            case kmeans.Centroid():
                self._centroids.take(event)
            case run.IterationStarted():
                self._iteration(event.iteration, at_ms).update(of=event.of, start=at_ms)
            case kmeans.IterationFinished() | kmeans.Inertia() | logistic.StepFinished():
                self._finished(at_ms, event)
            case run.SampledRow() if len(self._rows) < _KEPT_ROWS:
                self._rows[event.row] = _coordinates(event.value)
            case kmeans.Input():
                ends = zip(event.lowest[:_SHOWN_COLUMNS], event.highest[:_SHOWN_COLUMNS], strict=False)
                self._bounds = [[number(low), number(high)] for low, high in ends]
            case _:
                self._ended(event)
                self._scores.take(event)
                self._choice.take(event)

    def shift(self, by_ms: float) -> None:
        """Count the times from another moment."""
        for iteration in self._iterations.values():
            iteration |= {
                name: round(iteration[name] + by_ms, 3) for name in ("start", "end") if name in iteration
            }

    def snapshot(self) -> dict[str, Any]:
        """Return everything."""
        best = self._result.get("best", 1)
        return {
            "iterations": list(self._iterations.values()),
            "best": best,
            "centroids": self._centroids.snapshot(best),
            "bounds": self._bounds,
            "rows": list(self._rows.values()),
            "result": self._stopped.get(best, {}) | self._result,
            "scores": self._scores.snapshot(),
            "choice": self._choice.snapshot(),
            "palette": self._palette,
        }

    def _finished(
        self, at_ms: float, event: kmeans.IterationFinished | kmeans.Inertia | logistic.StepFinished
    ) -> None:
        iteration = self._iteration(event.iteration, at_ms)
        iteration["end"] = at_ms
        start = getattr(event, "start", None) or 1
        measured = iteration["starts"].setdefault(start, {})
        for name in ("shift", "inertia", "loss", "gradient"):
            if (value := getattr(event, name, None)) is not None:
                measured[name] = number(value)
        if sizes := getattr(event, "sizes", ()):
            measured["sizes"] = sizes[:_SHOWN_CLUSTERS]
        if isinstance(event, logistic.StepFinished):
            measured["halvings"] = event.halvings

    def _ended(self, event: Event) -> None:
        match event:
            case kmeans.Stopped():
                self._stopped[event.start or 1] = _told(event, "reason", "iterations", "inertia")
            case kmeans.BestStart() | kmeans.ClustersChosen():
                self._result |= {"best": event.start, "of": event.of}
            case kmeans.Clusters():
                self._result |= _told(event, "inertia") | {"sizes": event.sizes[:_SHOWN_CLUSTERS]}
            case logistic.FitFinished():
                self._result |= _told(event, "reason", "iterations", "loss", "gradient")
            case palette.PaletteFound():
                self._palette = list(zip(event.colours, event.pixels, strict=False))
            case kmeans.ResultInDoubt() | logistic.FitInDoubt():
                self._result["doubt"] = event.reason

    def _iteration(self, iteration: int, at_ms: float) -> dict[str, Any]:
        found = self._iterations.get(iteration)
        if found is None:
            found = self._iterations[iteration] = {"iteration": iteration, "start": at_ms, "starts": {}}
            if len(self._iterations) > _KEPT_ITERATIONS:
                del self._iterations[next(iter(self._iterations))]
        return found


class CentroidHistory:
    """The centroids of each start by iteration: all, or every 2nd, 4th, ... and the newest.

    Of many clusters and columns the first ones are kept; dump.txt has all.
    """

    def __init__(self) -> None:
        self._kept: dict[int, dict[int, dict[int, list[float | None]]]] = {}
        self._every = 1
        self._numbers = 0
        self._clusters: dict[int, int] = {}
        self._columns = 0

    def take(self, event: kmeans.Centroid) -> None:
        """Take in a centroid."""
        columns, start = event.value.count(",") + 1, event.start or 1
        self._clusters[start] = max(self._clusters.get(start, 0), event.key + 1)
        self._columns = max(self._columns, columns)
        if event.key >= _SHOWN_CLUSTERS:
            return
        iterations = self._kept.setdefault(start, {})
        if event.iteration not in iterations:
            self._drop_between(iterations)
        at = iterations.setdefault(event.iteration, {})
        at[event.key] = _coordinates(event.value)
        self._numbers += len(at[event.key])
        self._thin_out()

    def snapshot(self, start: int) -> dict[str, Any]:
        """Return the centroids of a start."""
        if start not in self._kept:
            start = next(iter(self._kept), start)
        kept = self._kept.get(start, {})
        history = [[iteration, [at[key] for key in sorted(at)]] for iteration, at in kept.items()]
        return {"clusters": self._clusters.get(start, 0), "columns": self._columns, "history": history}

    def _thin_out(self) -> None:
        while self._numbers > _MOST_NUMBERS and any(len(kept) > 2 for kept in self._kept.values()):
            self._every *= 2
            for iterations in self._kept.values():
                newest = max(iterations)
                self._drop(iterations, [each for each in iterations if each != newest])

    def _drop_between(self, iterations: dict[int, Any]) -> None:
        """Drop what was kept only because it was the newest."""
        self._drop(iterations, list(iterations)[-1:])

    def _drop(self, iterations: dict[int, Any], some: list[int]) -> None:
        for iteration in some:
            if iteration % self._every:
                self._numbers -= sum(map(len, iterations.pop(iteration).values()))


class Scores:
    """What is known of a classification."""

    def __init__(self) -> None:
        self._table: dict[str, Any] | None = None
        self._models: list[dict[str, Any]] = []
        self._confusion: list[dict[str, Any]] = []
        self._parts: list[dict[str, Any]] = []

    def take(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case logistic.TableLearned():
                self._table = dict(vars(event))
            case logistic.ModelScored():
                _keep(self._models, event)
            case logistic.ClassConfusion():
                _keep(self._confusion, event)
            case logistic.PartModel():
                _keep(self._parts, event)

    def snapshot(self) -> dict[str, Any] | None:
        """Return everything; None if nothing was classified."""
        if self._table is None and not self._models:
            return None
        return {
            "table": self._table,
            "models": self._models,
            "confusion": self._confusion,
            "parts": self._parts,
        }


def _keep(
    rows: list[dict[str, Any]], event: logistic.ModelScored | logistic.ClassConfusion | logistic.PartModel
) -> None:
    """Keep what is known of a model, under its name in the result's own words."""
    if len(rows) < _KEPT_SCORES:
        name = f"part {event.model}" if event.model.isdigit() else "all rows"
        rows.append(_told(event, *vars(event)) | {"model": name})


def _told(event: Event, *names: str) -> dict[str, Any]:
    values = {name: getattr(event, name) for name in names}
    return {name: number(value) if isinstance(value, float) else value for name, value in values.items()}


def _coordinates(value: str) -> list[float | None]:
    return [_coordinate(text) for text in value.split(",", _SHOWN_COLUMNS)[:_SHOWN_COLUMNS]]


def _coordinate(text: str) -> float | None:
    try:
        return number(float(text), _DIGITS)
    except ValueError:
        return None
