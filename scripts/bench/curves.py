"""How the time of an iteration grows: with rows, columns, clusters, mappers and tasks; and with starts."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from scripts.bench import ours, yardsticks
from scripts.bench.data import generate, initial_rows
from scripts.bench.fit import Fit, Size, peer, title
from scripts.bench.measure import Contender, Sample, Series, alternate
from scripts.bench.outcome import THREADS, Bench, Outcome, Ratio, detail_ratio, time_ratio

_CURVE_ITERATIONS = 10

GROWTH: Mapping[str, tuple[Callable[[int], Size], tuple[int, ...]]] = {
    "rows": (lambda rows: Size(rows, 8, 32), (30_000, 100_000, 300_000, 1_000_000, 3_000_000)),
    "columns": (lambda columns: Size(200_000, columns, 64), (1, 2, 4, 8, 16, 32, 64, 128)),
    "k": (lambda k: Size(200_000, 8, k), (2, 4, 8, 16, 32, 64, 128, 256)),
}
"""Curves against scikit-learn: what grows, and through which values."""

TASKS = ((1, 1), (2, 2), (4, 4), (8, 8), (16, 8), (32, 16), (64, 16))
"""Mappers and reducers of the curve of tasks."""

MAPPERS = (Size(1_000_000, 16, 64), Size(200_000, 128, 256))
"""What one mapper is compared with two on: enough work that coordination matters little."""

_SMALL = Size(20_000, 2, 64)
"""What is clustered where only the coordination is of interest."""

_CONSTANTS_AT = ((24, 1), (12, 12))
_CONSTANTS_ITERATIONS = (5, 45)


def run_growth(bench: Bench, what: str, value: int) -> Outcome:
    """Measure one point of a curve: ours with two mappers, scikit-learn with two threads."""
    kind = bench.kinds[0]
    fit = Fit(bench, GROWTH[what][0](value), kind, _CURVE_ITERATIONS)
    series, skipped = alternate(
        {"ours": fit.ours({}), "sklearn-lloyd": fit.peer("sklearn-lloyd", "float64")}, bench.repeats
    )
    return Outcome(
        f"curve-{what}-{value}",
        f"curve-{what}",
        f"{title(fit.size)}, {_CURVE_ITERATIONS} iterations",
        {**vars(fit.size), "data": kind},
        series,
        skipped,
        tuple(time_ratio(series, "ours", "sklearn-lloyd")),
    )


def run_mappers(bench: Bench, size: Size) -> Outcome:
    """Measure one and two mappers of one thread each; scikit-learn with one and two threads."""
    kind = bench.kinds[0]
    fit = Fit(bench, size, kind, _CURVE_ITERATIONS)
    series, skipped = alternate(
        {
            **{f"ours, M = {m}": fit.ours({}, mappers=m) for m in (1, 2)},
            **{f"sklearn-lloyd, threads = {n}": fit.peer("sklearn-lloyd", "float64", n) for n in (1, 2)},
        },
        bench.repeats,
    )
    return Outcome(
        f"curve-mappers-{size.columns}",
        "scaling",
        f"{title(fit.size)}, {_CURVE_ITERATIONS} iterations",
        {**vars(fit.size), "data": kind},
        series,
        skipped,
        (
            *time_ratio(series, "ours, M = 2", "ours, M = 1"),
            *time_ratio(series, "sklearn-lloyd, threads = 2", "sklearn-lloyd, threads = 1"),
        ),
    )


def _small_run(bench: Bench, mappers: int, reducers: int, iterations: int) -> Contender:
    """Return a run on a small file that doesn't converge soon."""
    points = generate("cloud", _SMALL.rows, _SMALL.columns, _SMALL.k, bench.seed)
    source, initial = bench.folder / "small.npy", bench.folder / "small_initial.npy"
    np.save(source, points)
    np.save(initial, initial_rows(points, _SMALL.k, bench.seed))
    folder = bench.folder / f"small_{mappers}_{reducers}_{iterations}"

    def contender(watch: bool) -> Sample:
        ran = ours.master(
            folder,
            {
                **{"mappers": mappers, "reducers": reducers, "k": _SMALL.k, "iters": iterations, "tol": 0},
                **{"input": source, "init-centroids": initial, **ours.one_thread_each()},
            },
            watch=watch,
        )
        details = {"iterations": ran.trace.iterations, **_traffic(folder)}
        return Sample(ran.trace.later_iteration_s, details, ran.finished.usage)

    return contender


def _traffic(folder: Path) -> dict[str, float]:
    """Return the log lines of one iteration and the mean bytes of a partition file."""
    dump = (folder / "dump.txt").read_text()
    lines = len(re.findall(r" job=lloyd\b", dump)) + len(re.findall("method=FetchPartition", dump))
    partitions = list((folder / "data" / "mappers").glob("*/partition_*"))
    return {
        "lines_of_calls": lines,
        "partition_bytes": float(np.mean([path.stat().st_size for path in partitions])),
    }


def run_tasks(bench: Bench, mappers: int, reducers: int) -> Outcome:
    """Measure the coordination of an iteration with that many workers, against an empty gRPC call."""
    call = "an empty gRPC call"
    series, skipped = alternate(
        {
            "an iteration": _small_run(bench, mappers, reducers, _CURVE_ITERATIONS),
            call: lambda _: yardsticks.round_trip(),
        },
        bench.repeats,
    )
    calls = mappers + 2 * reducers + mappers * reducers
    return Outcome(
        f"curve-tasks-{mappers}x{reducers}",
        "curve-tasks",
        f"M = {mappers}, R = {reducers}",
        {"mappers": mappers, "reducers": reducers, "calls of an iteration": calls},
        series,
        skipped,
        tuple(
            Ratio(f"{ratio.what}, for each of its {calls} calls", ratio.value / calls)
            for ratio in time_ratio(series, "an iteration", call)
        ),
    )


def run_constants(bench: Bench) -> Outcome:
    """Measure what docs/SCALING.md reckons with: what calls and log lines cost the master, memory, bytes.

    The processor time of an iteration is the difference of a long and a short run. Two numbers of workers,
    one with more calls for each log line than the other, tell calls and lines apart.
    """
    call = "an empty gRPC call"
    series, skipped = alternate(
        {
            f"{m} × {r}, {n} iterations": _small_run(bench, m, r, n)
            for m, r in _CONSTANTS_AT
            for n in _CONSTANTS_ITERATIONS
        }
        | {call: lambda _: yardsticks.round_trip()},
        1,
    )
    facts: dict[str, object] = {}
    if not skipped:
        per_call_s, per_line_s = np.linalg.solve(*_master_costs(series)).tolist()
        m, r = _CONSTANTS_AT[-1]
        last = series[f"{m} × {r}, {max(_CONSTANTS_ITERATIONS)} iterations"]
        assert last.usage is not None
        facts = {
            "master: CPU seconds for each call it makes": per_call_s,
            "master: CPU seconds for each line of dump.txt": per_line_s,
            "caller: CPU seconds of an empty gRPC call": series[call].details["caller_cpu_s"],
            "bytes of a partition file (--combine, 2 columns) for each key": (
                last.details["partition_bytes"] * r / _SMALL.k
            ),
            "anonymous bytes of a process": last.usage.anonymous_bytes / (1 + m + r),
        }
    return Outcome("constants", "constants", "the master's costs", {}, series, skipped, facts=facts)


def _master_costs(series: Mapping[str, Series]) -> tuple[list[list[float]], list[float]]:
    """Return calls and log lines of an iteration for each number of workers, and the master's CPU seconds."""
    counts, costs_s = [], []
    for m, r in _CONSTANTS_AT:
        few, many = (series[f"{m} × {r}, {n} iterations"] for n in _CONSTANTS_ITERATIONS)
        assert few.usage is not None
        assert many.usage is not None
        iterations = many.details["iterations"] - few.details["iterations"]
        lines = many.details["lines_of_calls"] - few.details["lines_of_calls"]
        counts.append([m + 2 * r, lines / iterations])
        costs_s.append((many.usage.cpu_s - few.usage.cpu_s) / iterations)
    return counts, costs_s


def run_n_init(bench: Bench) -> Outcome:
    """Measure ten random starts, the best kept; scikit-learn is given the ten starts that ours chose."""
    n_init, kind = 10, bench.kinds[0]
    size = Size(bench.rows(1_000_000, 8), 2, 8)
    points = bench.folder / "points.npy"
    np.save(points, generate(kind, size.rows, size.columns, size.k, bench.seed))
    starts, folder = bench.folder / "starts.npy", bench.folder / "n_init"
    counted: dict[str, int] = {}

    def command(watch: bool) -> Sample:
        ran = ours.master(
            folder,
            {
                **{"mappers": THREADS, "reducers": 2, "k": size.k, "iters": bench.iterations, "tol": 0},
                **{"input": points, "n-init": n_init, "seed": bench.seed, **ours.one_thread_each()},
            },
            watch=watch,
        )
        np.save(starts, ours.initial_centroids(folder))
        trace = ran.trace
        details = {
            "iterations": trace.iterations,
            "iteration_s": trace.fit_s / trace.iterations,
            "with_scoring_s": trace.scored_s,
            "inertia": trace.inertia,
        }
        return Sample(trace.fit_s, details, ran.finished.usage)

    def library(name: str) -> Contender:
        def contender(watch: bool) -> Sample:
            arguments = ["--points", points, "--initial", starts, "--threads", THREADS]
            count = ["--count"] if watch else []
            sample = peer(
                name, "float64", bench.iterations, [*arguments, *count], bench.folder / f"{name}.npz", watch
            )
            if watch:
                counted[name] = sample.details["iterations"]
            n = counted[name]
            return Sample(
                sample.seconds,
                {**sample.details, "iterations": n, "iteration_s": sample.seconds / n},
                sample.usage,
            )

        return contender

    libraries = ("sklearn-lloyd", "sklearn-elkan")
    series, skipped = alternate({"ours": command, **{n: library(n) for n in libraries}}, bench.repeats)
    by_iteration = [
        ratio
        for name in libraries
        for ratio in detail_ratio(
            series, "ours", name, "iteration_s", f"the same, by iteration: ours ÷ {name}"
        )
    ]
    return Outcome(
        "n-init",
        "whole",
        f"{n_init} random starts, {title(size)}, all their fits",
        {**vars(size), "data": kind, "starts": n_init},
        series,
        skipped,
        (*(r for name in libraries for r in time_ratio(series, "ours", name)), *by_iteration),
    )
