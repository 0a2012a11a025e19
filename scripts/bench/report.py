"""The results as JSON, with all times, and as Markdown, which shows ratios only."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from common import __version__
from scripts.bench.measure import THREADS, Series
from scripts.bench.outcomes import Outcome, by_group
from scripts.bench.quiet import DISTURBS
from scripts.bench.workloads import FIT_COLUMNS

_PACKAGES = (
    "numpy numba grpcio protobuf pyarrow scikit-learn scikit-learn-intelex faiss-cpu pandas pyspark dask-ml"
)
_FIT = "workload | data | type"
_TIMES = (
    "iterations | ÷ lloyd | ÷ elkan | ÷ oneDAL | ÷ faiss (float32) | ÷ MLlib | ÷ MLlib's blocks | "
    "÷ dask-ml | ÷ the machine's limit"
)
_CHECKS = (
    "memory ÷ lloyd | anonymous memory ÷ lloyd | first iteration ÷ a later one | "
    "rows of another label than lloyd's | inertia ÷ lloyd's | with scoring ÷ without"
)
_UNEVEN = 1.5


def about(arguments: Sequence[str], repeats: int, seed: int, scale: float) -> dict[str, Any]:
    """Return what a reader must know to repeat the run: command, machine, versions."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    processors = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    machine = {"cores": os.cpu_count(), "processor": [*processors, platform.processor()][0]}
    size = {"memory_gib": round(psutil.virtual_memory().total / 2**30)}
    installed = {each.metadata["Name"]: each.version for each in distributions()}
    versions = {"kmeans-mapreduce": __version__, "python": platform.python_version()}
    return {
        "command": f"make bench ARGS='{' '.join(arguments)}'" if arguments else "make bench",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        **{"repeats": repeats, "seed": seed, "scale": scale, "threads": THREADS},
        "machine": {**machine, **size, "system": f"{platform.system()} {platform.machine()}"},
        "versions": versions | {name: installed[name] for name in _PACKAGES.split() if name in installed},
    }


def write(out: Path, about_run: Mapping[str, Any], outcomes: Sequence[Outcome]) -> None:
    """Write results.json and results.md."""
    found = {"about": about_run, "workloads": [_as_json(outcome) for outcome in outcomes]}
    (out / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (out / "results.md").write_text("\n".join(_markdown(about_run, outcomes)) + "\n")


def _as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome with the medians that its ratios are made of."""
    found = {"name": outcome.workload.name, "title": outcome.workload.heading, **asdict(outcome)}
    for name, series in outcome.series.items():
        found["series"][name]["median_s"] = series.median_s
    return found


def _markdown(about_run: Mapping[str, Any], outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Return the lines of results.md."""
    machine = about_run["machine"]
    groups = by_group(outcomes)
    yield "# Benchmark\n"
    yield f"`{about_run['command']}`, {about_run['date']}. Medians of {about_run['repeats']} after a warm-up,"
    yield f"alternating. Ours with {THREADS} mappers of one thread and 2 reducers, others {THREADS} threads;"
    yield f"{machine['cores']} × {machine['processor']}, {machine['memory_gib']} GiB, {machine['system']};"
    yield ", ".join(f"{name} {version}" for name, version in about_run["versions"].items()) + ".\n"
    yield "Every figure is a ratio, ours ÷ theirs: below 1, ours takes less. results.json has the times.\n"
    yield from say_loads([load for each in outcomes for load in each.loads])
    yield from _fit_tables(groups.get("fit", []))
    yield from _use_table(groups.get("use", []))
    yield from _ratio_table("Whole commands and starts", groups.get("whole", []))
    for what in ("rows", "columns", "k"):
        yield from _growth_table(what, groups.get(f"curve-{what}", []))
    yield from _ratio_table("Mappers", groups.get("scaling", []))
    yield from _ratio_table("Coordination", groups.get("curve-tasks", []))
    yield from _list("Uneven: the longest time ÷ the median", _uneven(outcomes))
    yield from _list("Not measured", _skipped(outcomes))


def say_loads(loads: Sequence[float]) -> Iterator[str]:
    """Tell how quiet the machine was in the rounds that count."""
    if loads:
        disturbed = sum(load > DISTURBS for load in loads)
        yield f"A round is disturbed if other programs take more than {DISTURBS:.0%} of all cores' time."
        yield "It runs once more then, and the quietest rounds count. In those that count, others took"
        yield f"{min(loads):.0%} to {max(loads):.0%}; disturbed among them: {disturbed} of {len(loads)}."


def _list(heading: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"## {heading}", "", *lines)


def _table(heading: str, columns: str, rows: Sequence[Sequence[object]]) -> Iterator[str]:
    lines = [f"| {columns} |", "|---" * (columns.count(" | ") + 1) + "|"]
    lines += [f"| {' | '.join(map(str, cells))} |" for cells in rows]
    yield from _list(heading, lines if rows else [])


def _cell(value: float | None, style: str = ".2f") -> str:
    return "–" if value is None else format(value, style)


def _fit_tables(outcomes: Sequence[Outcome]) -> Iterator[str]:
    times, checks = [], []
    for outcome, one in [(each, one) for each in outcomes for one in FIT_COLUMNS if one in each.series]:
        lloyd, *_ = others = FIT_COLUMNS[one]
        where = one.removeprefix("ours").removesuffix(" float32")
        kind = ("float32" if one.endswith("float32") else "float64") + where
        fit = [outcome.workload.heading, outcome.workload.data, kind]
        ratios = [_cell(outcome.ratios.get(f"{one} ÷ {other}")) for other in others]
        times.append([*fit, outcome.series[one].details["iterations"], *ratios])
        if lloyd and "first_iteration_s" in outcome.series[one].details:
            facts = outcome.facts.get(f"{one} against {lloyd}", {})
            checks.append([*fit, *_check_cells(outcome.series[one], outcome.series.get(lloyd), facts)])
    yield from _table("Fit alone: time", f"{_FIT} | {_TIMES}", times)
    heading = "Fit alone: memory, set-up, and whether the results agree"
    yield from _table(heading, f"{_FIT} | {_CHECKS}", checks)


def _check_cells(ours: Series, lloyd: Series | None, facts: Mapping[str, Any]) -> list[str]:
    memory = ["–", "–"]
    if lloyd and ours.usage and lloyd.usage:
        a, b = ours.usage, lloyd.usage
        whole = (a.anonymous_bytes + a.file_bytes) / (b.anonymous_bytes + b.file_bytes)
        memory = [_cell(whole), _cell(a.anonymous_bytes / b.anonymous_bytes)]
    first = ours.details["first_iteration_s"] / ours.details["later_iteration_s"]
    agreement = [_cell(facts.get("rows of another label"), ","), _cell(facts.get("inertia ratio"), ".9f")]
    return [*memory, f"{first:.1f}", *agreement, _cell(ours.details["with_scoring_s"] / ours.median_s)]


def _ratio_table(heading: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    rows = [[o.workload.heading, what, _cell(ratio)] for o in outcomes for what, ratio in o.ratios.items()]
    yield from _table(heading, "workload | what | ratio", rows)


def _use_table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Show each method of a fitted model in a column."""
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.ratios))
    rows = [[o.workload.heading, *(_cell(o.ratios.get(name)) for name in names)] for o in outcomes]
    yield from _table("A fitted model in Python", " | ".join(["workload", *names]), rows)


def _growth_table(what: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Show times against ours at the first point."""
    if not outcomes or "ours" not in outcomes[0].series:
        return
    names, unit_s, rows = list(outcomes[0].series), outcomes[0].series["ours"].median_s, []
    for outcome in outcomes:
        times = [outcome.series[name].median_s / unit_s for name in names]
        rows.append([f"{getattr(outcome.workload, what):,}", *map(_cell, times), _cell(times[0] / times[-1])])
    yield from _table(f"Growth with {what}", " | ".join([what, *names, f"ours ÷ {names[-1]}"]), rows)


def _uneven(outcomes: Sequence[Outcome]) -> list[str]:
    """List what took much longer once than in the median: its ratios are less sure."""
    return [
        f"- {name}: {longest:.1f} ({outcome.workload.name})"
        for outcome in outcomes
        for name, series in outcome.series.items()
        if (longest := max(series.seconds) / series.median_s) > _UNEVEN
    ]


def _skipped(outcomes: Sequence[Outcome]) -> list[str]:
    where: dict[str, list[str]] = {}
    for outcome in outcomes:
        for name, reason in outcome.skipped.items():
            where.setdefault(f"- {name}: {reason}", []).append(outcome.workload.name)
    several = {text: f"{len(names)} workloads" for text, names in where.items() if len(names) > 3}
    return [f"{text} ({several.get(text, ', '.join(names))})" for text, names in where.items()]
