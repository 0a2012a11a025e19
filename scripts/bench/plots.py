"""Pictures of the results: ratios of the fits, and growth curves."""

from collections.abc import Sequence
from pathlib import Path

from scripts.bench.outcome import Outcome

_PEERS = ("sklearn-lloyd", "sklearn-elkan", "faiss", "spark", "spark-block", "dask-ml")


def draw(out: Path, outcomes: Sequence[Outcome]) -> None:
    """Draw what the outcomes give as PNG files."""
    fits = [outcome for outcome in outcomes if outcome.group == "fit" and "ours" in outcome.series]
    curves = {
        what: points
        for what in ("rows", "columns", "k")
        if len(points := [o for o in outcomes if o.group == f"curve-{what}" and "ours" in o.series]) > 1
    }
    tasks = [outcome for outcome in outcomes if outcome.group == "curve-tasks" and outcome.ratios]
    if not (fits or curves or tasks):
        return
    import matplotlib as mpl

    mpl.use("Agg")
    if fits:
        _draw_fits(out / "fits.png", fits)
    for what, points in curves.items():
        _draw_curve(out / f"curve-{what}.png", what, points)
    if len(tasks) > 1:
        _draw_tasks(out / "curve-tasks.png", tasks)


def _draw_fits(path: Path, outcomes: Sequence[Outcome]) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 1 + 0.6 * len(outcomes)), layout="constrained")
    names = [name for name in _PEERS if any(name in outcome.series for outcome in outcomes)]
    height = 0.8 / len(names)
    for i, name in enumerate(names):
        places = [j for j, outcome in enumerate(outcomes) if name in outcome.series]
        ratios = [outcomes[j].series["ours"].median_s / outcomes[j].series[name].median_s for j in places]
        axes.barh(
            [j + height * (i + 0.5) for j in places],
            [ratio - 1 for ratio in ratios],
            height,
            left=1,
            label=f"ours ÷ {name}",
        )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(
        [j + 0.4 for j in range(len(outcomes))],
        [f"{outcome.title}\n{outcome.setting['data']}" for outcome in outcomes],
    )
    axes.invert_yaxis()
    axes.set_xlabel("time of the fit, ours ÷ theirs (left of the line: ours takes less)")
    figure.legend(loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_curve(path: Path, what: str, outcomes: Sequence[Outcome]) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    unit_s = outcomes[0].series["ours"].median_s
    for name in outcomes[0].series:
        points = [outcome for outcome in outcomes if name in outcome.series]
        axes.plot(
            [outcome.setting[what] for outcome in points],
            [outcome.series[name].median_s / unit_s for outcome in points],
            marker="o",
            label=name,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel(what)
    axes.set_ylabel("time of the fit ÷ ours at the first point")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_tasks(path: Path, outcomes: Sequence[Outcome]) -> None:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    calls = [int(str(outcome.setting["calls of an iteration"])) for outcome in outcomes]
    times = [outcome.ratios[0].value * n for outcome, n in zip(outcomes, calls, strict=True)]
    axes.plot(calls, times, marker="o", label="an iteration")
    axes.plot(calls, calls, linestyle="--", color="gray", label="one empty call after the other")
    for outcome, n, time in zip(outcomes, calls, times, strict=True):
        label = f"{outcome.setting['mappers']} × {outcome.setting['reducers']}"
        axes.annotate(label, (n, time), textcoords="offset points", xytext=(-14, 8))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("calls of an iteration (mappers + 2 reducers + mappers × reducers)")
    axes.set_ylabel("time of an iteration ÷ an empty gRPC call")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
