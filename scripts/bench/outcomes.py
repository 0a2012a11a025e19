"""What a workload gives: times, ratios, and facts that check or explain them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from scripts.bench.competitors import COMPETITORS, contenders
from scripts.bench.data import Case
from scripts.bench.dump import lines_of_calls
from scripts.bench.measure import Series, alternate
from scripts.bench.workloads import CALL, CONSTANTS, Comparison, Workload


@dataclass(frozen=True)
class Outcome:
    """What a workload gave."""

    workload: Workload
    series: Mapping[str, Series] = field(default_factory=dict)  # the times of each competitor
    skipped: Mapping[str, str] = field(default_factory=dict)  # who wasn't measured, and why
    ratios: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)  # checks and constants, by name
    loads: Sequence[float] = ()  # of each round: the share of the cores' time that other programs took


def measure(case: Case, repeats: int) -> Outcome:
    """Run the workload's competitors, alternating, and compare them."""
    workload = case.workload
    competitors = contenders(case, {name: COMPETITORS[name] for name in workload.competitors})
    found = alternate(competitors, repeats)
    series = found.series
    facts = constants(case, series) if workload.name == "constants" else agreement(case, series)
    ratios = compare(series, workload.comparisons)
    return Outcome(workload, series, found.skipped, ratios, facts, found.loads)


def by_group(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Return the outcomes of each group."""
    names = dict.fromkeys(each.workload.group for each in outcomes)
    return {name: [each for each in outcomes if each.workload.group == name] for name in names}


def compare(series: Mapping[str, Series], comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Return the ratios of those that were measured, by what they are."""
    measured = [each for each in comparisons if each.one in series and each.other in series]
    values = [(each, _value(series[each.one], each), _value(series[each.other], each)) for each in measured]
    return {each.what or f"{each.one} ÷ {each.other}": a / b / each.shared_by for each, a, b in values}


def _value(series: Series, comparison: Comparison) -> float:
    return float(series.details.get(comparison.of, series.median_s) / series.details.get(comparison.by, 1))


def agreement(case: Case, series: Mapping[str, Series]) -> dict[str, Any]:
    """Return how far the results of competitors that started from the same centroids differ."""
    pairs = [(each.one, each.other) for each in case.workload.comparisons if each.agree]
    measured = [(one, other) for one, other in pairs if one in series and other in series]
    return {f"{one} against {other}": _difference(case, series, one, other) for one, other in measured}


def _difference(case: Case, series: Mapping[str, Series], one: str, other: str) -> dict[str, object]:
    ours, theirs = _result(case.folder / one), _result(case.folder / other)
    difference = np.abs(ours["centroids"] - theirs["centroids"]).max()
    found: dict[str, object] = {"largest difference of a coordinate": float(difference)}
    if "labels" in ours and "labels" in theirs:
        found["rows of another label"] = int(np.count_nonzero(ours["labels"] != theirs["labels"]))
        found["inertia ratio"] = series[one].details["inertia"] / series[other].details["inertia"]
    return found


def _result(folder: Path) -> Mapping[str, npt.NDArray[Any]]:
    """Return the centroids that a run in a folder found, and the labels if it wrote them."""
    if (folder / "fit.npz").exists():
        return dict(np.load(folder / "fit.npz"))
    centroids = np.loadtxt(folder / "data" / "centroids.txt", delimiter=",", ndmin=2)
    labels = folder / "labels.txt"
    return {"centroids": centroids, **({"labels": np.loadtxt(labels, np.int64)} if labels.exists() else {})}


def constants(case: Case, series: Mapping[str, Series]) -> dict[str, object]:
    """Return what docs/SCALING.md calculates with: what calls and log lines cost the master, memory, bytes.

    The processor time of an iteration is the difference of a long and a short run. Two numbers of workers,
    one with more calls for each log line than the other, tell calls and lines apart.
    """
    if len(series) <= len(CONSTANTS):
        return {}
    lines = [lines_of_calls(case.dump_of(name)) for name in CONSTANTS]
    cpu_s = [usage.cpu_s for name in CONSTANTS if (usage := series[name].usage)]
    totals = np.array([[series[name].details["iterations"] for name in CONSTANTS], lines, cpu_s])
    iterations, more_lines, more_cpu_s = totals[:, 1::2] - totals[:, ::2]  # of a long run beyond a short one
    calls = [m + r for m, r, _ in list(CONSTANTS.values())[::2]]
    equations = np.column_stack([calls, more_lines / iterations])
    per_call_s, per_line_s = np.linalg.solve(equations, more_cpu_s / iterations).tolist()
    name, (m, r, _) = list(CONSTANTS.items())[-1]
    partitions = (case.folder / name / "data" / "mappers").glob("*/partition_*")
    partition_bytes = float(np.mean([path.stat().st_size for path in partitions]))
    usage = series[name].usage
    return {
        "master: CPU seconds for each call it makes": per_call_s,
        "master: CPU seconds for each line of dump.txt": per_line_s,
        "caller: CPU seconds of an empty gRPC call": series[CALL].details["caller_cpu_s"],
        "bytes of a partition file (--combine) for each key": partition_bytes * r / case.workload.k,
        "anonymous bytes of a process": usage.anonymous_bytes / (1 + m + r) if usage else None,
    }
