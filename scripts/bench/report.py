"""The results as JSON, with the medians behind them, and as Markdown, which shows ratios only."""

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import psutil

from common import __version__
from scripts.bench.measure import Series
from scripts.bench.outcome import THREADS, Outcome, Ratio

_PACKAGES = (
    *("numpy", "numba", "grpcio", "protobuf", "pyarrow", "scikit-learn", "faiss-cpu", "pandas"),
    *("pyspark", "dask-ml"),
)
_FIT_COLUMNS = {
    "ours": ("sklearn-lloyd", "sklearn-elkan", "faiss", "spark", "spark-block", "dask-ml"),
    "ours float32": ("sklearn-lloyd float32", "sklearn-elkan float32", "faiss", "", "", ""),
    "ours on spark": ("", "", "", "spark", "spark-block", ""),
    "ours on dask": ("", "", "", "", "", "dask-ml"),
}

_FIT_HEADER = (
    *("workload", "data", "type", "iterations", "÷ lloyd", "÷ elkan", "÷ faiss (float32)", "÷ MLlib"),
    *("÷ MLlib's blocks", "÷ dask-ml"),
)
_AGREEMENT_HEADER = (
    *("workload", "data", "type", "memory ÷ lloyd", "anonymous memory ÷ lloyd"),
    *("first iteration ÷ a later one", "rows of another label than lloyd's", "inertia ÷ lloyd's"),
    "with scoring ÷ without",
)


def about(arguments: Sequence[str], repeats: int, seed: int, scale: float) -> dict[str, object]:
    """Return what a reader must know to repeat the run: command, machine, versions."""
    return {
        "command": f"make bench ARGS='{' '.join(arguments)}'" if arguments else "make bench",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "repeats": repeats,
        "seed": seed,
        "scale": scale,
        "threads": THREADS,
        "machine": {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "memory_gib": round(psutil.virtual_memory().total / 2**30),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "versions": {"kmeans-mapreduce": __version__, "python": platform.python_version()}
        | {name: version for name in _PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def write(out: Path, about_run: Mapping[str, object], outcomes: Sequence[Outcome]) -> None:
    """Write results.json and results.md."""
    found = {"about": about_run, "workloads": [as_json(outcome) for outcome in outcomes]}
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "results.md").write_text("\n".join(markdown(about_run, outcomes)) + "\n")


def as_json(outcome: Outcome) -> dict[str, object]:
    """Return an outcome with the medians that its ratios are made of."""
    return {
        **{"name": outcome.name, "title": outcome.title, "setting": dict(outcome.setting)},
        "contenders": {
            name: {
                "median_s": series.median_s,
                "seconds": series.seconds,
                "details": {k: v for k, v in series.details.items() if k not in ("folder", "file")},
                "usage": asdict(series.usage) if series.usage else None,
            }
            for name, series in outcome.series.items()
        },
        "skipped": dict(outcome.skipped),
        "ratios": {ratio.what: ratio.value for ratio in _ratios(outcome)},
        "facts": dict(outcome.facts),
    }


def _ratios(outcome: Outcome) -> list[Ratio]:
    if outcome.group != "fit":
        return list(outcome.ratios)
    return [
        Ratio(f"{one} ÷ {other}", outcome.series[one].median_s / outcome.series[other].median_s)
        for one, others in _FIT_COLUMNS.items()
        for other in others
        if one in outcome.series and other in outcome.series
    ]


def markdown(about_run: Mapping[str, object], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Return the lines of results.md."""
    machine, versions = about_run["machine"], about_run["versions"]
    assert isinstance(machine, dict)
    assert isinstance(versions, dict)
    yield "# Benchmark"
    yield ""
    yield f"`{about_run['command']}`, {about_run['date']}. Medians of {about_run['repeats']} after a warm-up,"
    yield f"alternating. Ours with {THREADS} mappers of one thread and 2 reducers, others {THREADS} threads;"
    yield f"{machine['cores']} × {machine['processor']}, {machine['memory_gib']} GiB, {machine['system']};"
    yield ", ".join(f"{name} {version}" for name, version in versions.items()) + "."
    yield ""
    yield "Every figure is a ratio, ours ÷ theirs: below 1, ours takes less. results.json has the medians."
    yield from _fit_tables([outcome for outcome in outcomes if outcome.group == "fit"])
    yield from _ratio_table("Whole commands and starts", [o for o in outcomes if o.group == "whole"])
    for what in ("rows", "columns", "k"):
        yield from _curve_table(what, [o for o in outcomes if o.group == f"curve-{what}"])
    yield from _ratio_table("Mappers", [o for o in outcomes if o.group == "scaling"])
    yield from _ratio_table("Coordination", [o for o in outcomes if o.group == "curve-tasks"])
    yield from _skipped(outcomes)


def _fit_tables(outcomes: Sequence[Outcome]) -> Iterator[str]:
    if not outcomes:
        return
    yield from _heading("Fit alone: time")
    yield from _header(_FIT_HEADER)
    for outcome in outcomes:
        for one, others in _FIT_COLUMNS.items():
            if one in outcome.series:
                cells = [_ratio_cell(outcome.series, one, other) for other in others]
                iterations = outcome.series[one].details["iterations"]
                yield f"| {_fit_cells(outcome, one)} | {iterations} | {' | '.join(cells)} |"
    yield from _heading("Fit alone: memory, set-up, and whether the results agree")
    yield from _header(_AGREEMENT_HEADER)
    for outcome in outcomes:
        for one, (lloyd, *_) in _FIT_COLUMNS.items():
            if lloyd and one in outcome.series:
                yield f"| {_fit_cells(outcome, one)} | {' | '.join(_other_cells(outcome, one, lloyd))} |"


def _fit_cells(outcome: Outcome, one: str) -> str:
    kind = one.removeprefix("ours").strip()
    kind = kind if kind == "float32" else f"float64 {kind}".strip()
    return f"{outcome.title} | {outcome.setting['data']} | {kind}"


def _other_cells(outcome: Outcome, one: str, lloyd: str) -> list[str]:
    ours = outcome.series[one]
    first, later = ours.details["first_iteration_s"], ours.details["later_iteration_s"]
    found = outcome.facts.get(f"{one} against {lloyd}")
    agreement = (
        [f"{found['rows of another label']:,}", f"{found['inertia ratio']:.9f}"]
        if isinstance(found, dict)
        else ["–", "–"]
    )
    return [
        *_memory_cells(outcome.series, one, lloyd),
        f"{first / later:.1f}",
        *agreement,
        f"{ours.details['with_scoring_s'] / ours.median_s:.2f}",
    ]


def _memory_cells(series: Mapping[str, Series], one: str, other: str) -> list[str]:
    usages = [series[name].usage for name in (one, other) if name in series]
    if len(usages) < 2 or usages[0] is None or usages[1] is None:
        return ["–", "–"]
    a, b = usages[0], usages[1]
    whole = (a.anonymous_bytes + a.file_bytes) / (b.anonymous_bytes + b.file_bytes)
    return [f"{whole:.2f}", f"{a.anonymous_bytes / b.anonymous_bytes:.2f}"]


def _ratio_cell(series: Mapping[str, Series], one: str, other: str) -> str:
    if other not in series:
        return "–"
    return f"{series[one].median_s / series[other].median_s:.2f}"


def _ratio_table(heading: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    if not outcomes:
        return
    yield from _heading(heading)
    yield from _header(("workload", "what", "ratio"))
    for outcome in outcomes:
        for ratio in outcome.ratios:
            yield f"| {outcome.title} | {ratio.what} | {ratio.value:.2f} |"


def _curve_table(what: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Show times against ours at the first point."""
    if not outcomes or "ours" not in outcomes[0].series:
        return
    yield from _heading(f"Growth with {what}")
    names = list(outcomes[0].series)
    yield from _header((what, *names, f"ours ÷ {names[-1]}"))
    unit_s = outcomes[0].series["ours"].median_s
    for outcome in outcomes:
        times = [outcome.series[name].median_s / unit_s for name in names]
        cells = " | ".join(f"{time:.2f}" for time in times)
        yield f"| {outcome.setting[what]:,} | {cells} | {times[0] / times[-1]:.2f} |"


def _skipped(outcomes: Sequence[Outcome]) -> Iterator[str]:
    reasons: dict[tuple[str, str], list[str]] = {}
    for outcome in outcomes:
        for name, reason in outcome.skipped.items():
            reasons.setdefault((name, reason), []).append(outcome.name)
    if reasons:
        yield from _heading("Not measured")
    for (name, reason), where in reasons.items():
        places = ", ".join(where) if len(where) < 4 else f"{len(where)} workloads"
        yield f"- {name}: {reason} ({places})"


def _header(columns: Sequence[str]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield f"## {text}"
    yield ""
