"""Pictures of the results: ratios of the fits, and growth curves."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scripts.bench.outcomes import Outcome, by_group
from scripts.bench.workloads import FIT_COLUMNS, LIMIT

_HEIGHT = 0.8  # of the bars of one workload together


def draw(out: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw what the outcomes give as PNG files."""
    groups = by_group(outcomes)
    if fits := [each for each in groups.get("fit", []) if "ours" in each.series]:
        _draw_fits(out / "fits.png", fits)
    for what in ("rows", "columns", "k"):
        if points := [each for each in groups.get(f"curve-{what}", []) if "ours" in each.series]:
            _draw_growth(out / f"curve-{what}.png", what, points)
    if tasks := [each for each in groups.get("curve-tasks", []) if each.ratios]:
        _draw_tasks(out / "curve-tasks.png", tasks)


@contextmanager
def _axes(path: Path, height: float = 4, **labels: str) -> Iterator[Any]:
    """Give the axes of a figure, and write it afterwards."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, height), layout="constrained")
    axes = figure.subplots()
    axes.set(**labels)
    yield axes
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=120)


def _draw_fits(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw the ratios that the table shows, but for the machine's limit, which is nobody's time."""
    others = [name for name in FIT_COLUMNS["ours"] if name != LIMIT]
    names = [name for name in others if any(name in outcome.series for outcome in outcomes)]
    x = "time of the fit, ours ÷ theirs (left of the line: ours takes less)"
    with _axes(path, 1 + 0.6 * len(outcomes), xlabel=x) as axes:
        for i, name in enumerate(names):
            label = f"ours ÷ {name}"
            ratios = {
                j: outcome.ratios[label] for j, outcome in enumerate(outcomes) if name in outcome.series
            }
            places = [j + _HEIGHT * (i + 0.5) / len(names) for j in ratios]
            lengths = [ratio - 1 for ratio in ratios.values()]
            axes.barh(places, lengths, _HEIGHT / len(names), left=1, label=label)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        labels = [f"{each.workload.heading}\n{each.workload.data}" for each in outcomes]
        axes.set_yticks([j + _HEIGHT / 2 for j in range(len(outcomes))], labels)
        axes.invert_yaxis()


def _draw_growth(path: Path, what: str, outcomes: Sequence[Outcome]) -> None:
    unit_s = outcomes[0].series["ours"].median_s
    with _axes(path, xlabel=what, ylabel="time of the fit ÷ ours at the first point") as axes:
        for name in outcomes[0].series:
            points = [each for each in outcomes if name in each.series]
            times = [each.series[name].median_s / unit_s for each in points]
            axes.loglog([getattr(each.workload, what) for each in points], times, marker="o", label=name)


def _draw_tasks(path: Path, outcomes: Sequence[Outcome]) -> None:
    calls = [each.workload.calls for each in outcomes]
    times = [ratio * each.workload.calls for each in outcomes for ratio in each.ratios.values()]
    x = "calls of an iteration (mappers + 2 reducers + mappers × reducers)"
    with _axes(path, xlabel=x, ylabel="time of an iteration ÷ an empty gRPC call") as axes:
        axes.loglog(calls, times, marker="o", label="an iteration")
        axes.loglog(calls, calls, linestyle="--", color="gray", label="one empty call after the other")
        for each, *point in zip(outcomes, calls, times, strict=True):
            label = f"{each.workload.mappers} × {each.workload.reducers}"
            axes.annotate(label, point, textcoords="offset points", xytext=(-14, 8))


def draw_speedups(path: Path, found: Mapping[str, Mapping[int, float]], cores: int, title: str) -> None:
    """Draw the speedups, and what would be ideal: one for each mapper, as long as each has a core."""
    counts = sorted({m for ratios in found.values() for m in ratios})
    with _axes(path, xlabel="mappers (inline: threads)", ylabel="speed ÷ that of one mapper") as axes:
        ideal = [min(m, cores) for m in counts]
        axes.plot(counts, ideal, linestyle="--", color="gray", label=f"ideal on {cores} cores")
        for engine, ratios in found.items():
            axes.plot(list(ratios), list(ratios.values()), marker="o", label=engine)
        axes.set(title=title, xticks=counts, ylim=(0, None))
