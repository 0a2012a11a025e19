"""Whole commands: from CSV to centroids, points mode against the bytes it moves, and a tiny run."""

from pathlib import Path

import numpy as np

from scripts.bench import ours, yardsticks
from scripts.bench.data import generate, initial_rows, write_csv
from scripts.bench.fit import Size, title
from scripts.bench.measure import ROOT, Contender, Sample, Unavailable, alternate, python, run
from scripts.bench.outcome import THREADS, Bench, Outcome, detail_ratio, time_ratio

_SAMPLE = ROOT / "data" / "input" / "points.txt"


def run_csv(bench: Bench) -> Outcome:
    """Measure a large CSV file from end to end, start-up included."""
    iterations, kind = 20, bench.kinds[0]
    size = Size(bench.rows(5_000_000, 32), 8, 32)
    points = generate(kind, size.rows, size.columns, size.k, bench.seed)
    source, initial = bench.folder / "points.csv", bench.folder / "initial.npy"
    write_csv(str(source), points)
    np.save(initial, initial_rows(points, size.k, bench.seed))
    del points
    folder = bench.folder / "csv"

    def command(watch: bool) -> Sample:
        options = {"k": size.k, "iters": iterations, "tol": 0, "input": source, "init-centroids": initial}
        ran = ours.master(folder, {"mappers": THREADS, "reducers": 2, **options}, watch=watch)
        return Sample(ran.finished.seconds, {"iterations": ran.trace.iterations}, ran.finished.usage)

    def one_process(engine: str) -> Contender:
        def contender(watch: bool) -> Sample:
            arguments = [source, initial, iterations, engine, bench.folder / f"{engine}.txt"]
            finished = run(
                python("-m", "scripts.bench.pandas_sklearn", *arguments),
                bench.folder,
                watch=watch,
                environment={"OMP_NUM_THREADS": str(THREADS), "OPENBLAS_NUM_THREADS": str(THREADS)},
            )
            return Sample(finished.seconds, {}, finished.usage)

        return contender

    plain, arrow = "pandas.read_csv + scikit-learn", "the same with engine='pyarrow'"
    series, skipped = alternate(
        {"ours": command, plain: one_process("c"), arrow: one_process("pyarrow")}, bench.repeats
    )
    return Outcome(
        "csv",
        "whole",
        f"CSV to centroids, {title(size)}, {iterations} iterations, whole command",
        {**vars(size), "data": kind, "bytes": source.stat().st_size, "iterations": iterations},
        series,
        skipped,
        (*time_ratio(series, "ours", plain), *time_ratio(series, "ours", arrow)),
        {
            f"largest difference of a coordinate, engine={engine}": float(
                np.abs(
                    ours.result_centroids(folder) - np.loadtxt(bench.folder / f"{engine}.txt", delimiter=",")
                ).max()
            )
            for engine in ("c", "pyarrow")
            if (bench.folder / f"{engine}.txt").exists()
        },
    )


def run_points_mode(bench: Bench) -> Outcome:
    """Measure an iteration that sends every point through files and the wire, against its bytes alone."""
    kind, iterations = bench.kinds[0], 10
    size = Size(bench.rows(1_000_000, 8), 2, 8)
    points = generate(kind, size.rows, size.columns, size.k, bench.seed)
    source, initial = bench.folder / "points.npy", bench.folder / "initial.npy"
    np.save(source, points)
    np.save(initial, initial_rows(points, size.k, bench.seed))

    def iteration(intermediate: str) -> Contender:
        def contender(watch: bool) -> Sample:
            if intermediate != "text" and not ours.knows("intermediate"):
                raise Unavailable("this version has no option --intermediate")
            ran = ours.master(
                bench.folder / intermediate,
                {
                    **{"mappers": THREADS, "reducers": 2, "k": size.k, "iters": iterations, "tol": 0},
                    **{"input": source, "init-centroids": initial, **ours.one_thread_each()},
                    **({"intermediate": intermediate} if ours.knows("intermediate") else {}),
                },
                combine=False,
                watch=watch,
            )
            details = {"bytes": sum(file.stat().st_size for files in written(intermediate) for file in files)}
            return Sample(ran.trace.later_iteration_s, details, ran.finished.usage)

        return contender

    def written(intermediate: str) -> list[list[Path]]:
        mappers = sorted((bench.folder / intermediate / "data" / "mappers").glob("M*"))
        return [sorted(path for path in mapper.iterdir() if path.is_file()) for mapper in mappers]

    def its_bytes(intermediate: str) -> Contender:
        def contender(_: bool) -> Sample:
            if not written(intermediate):
                raise Unavailable(f"{intermediate} was not measured")
            return yardsticks.write_and_read(written(intermediate), bench.folder)

        return contender

    def its_table(_: bool) -> Sample:
        outputs = [file for files in written("text") for file in files if file.name.startswith("map_output")]
        return yardsticks.write_csv(outputs, bench.folder)

    series, skipped = alternate(
        {
            "text": iteration("text"),
            "bytes of text": its_bytes("text"),
            "pyarrow's CSV writer": its_table,
            "arrow": iteration("arrow"),
            "bytes of arrow": its_bytes("arrow"),
        },
        bench.repeats,
    )
    once = "writing and reading the same bytes once"
    return Outcome(
        "points-mode",
        "whole",
        f"points mode, {title(size)}, an iteration",
        {**vars(size), "data": kind, "iterations": iterations},
        series,
        skipped,
        (
            *time_ratio(series, "text", "bytes of text", f"text ÷ {once}"),
            *time_ratio(
                series,
                "text",
                "pyarrow's CSV writer",
                "text ÷ writing the table once by pyarrow's CSV writer",
            ),
            *time_ratio(series, "arrow", "bytes of arrow", f"arrow ÷ {once}"),
            *time_ratio(series, "arrow", "text"),
        ),
    )


def run_tiny(bench: Bench) -> Outcome:
    """Measure what is left when there is next to nothing to compute."""

    def command(watch: bool) -> Sample:
        options = {"mappers": 2, "reducers": 2, "k": 2, "iters": 20, "tol": 0, "input": _SAMPLE}
        ran = ours.master(bench.folder / "tiny", options, combine=False, watch=watch)
        details = {"iteration_s": ran.trace.later_iteration_s, "iterations": ran.trace.iterations}
        return Sample(ran.finished.seconds, details, ran.finished.usage)

    starts, call = "starting Python + numpy + gRPC five times", "an empty gRPC call"
    series, skipped = alternate(
        {
            "ours": command,
            starts: lambda _: yardsticks.python_starts(),
            call: lambda _: (lambda sample: Sample(sample.seconds, {"iteration_s": sample.seconds}))(
                yardsticks.round_trip()
            ),
        },
        bench.repeats,
    )
    return Outcome(
        "tiny",
        "whole",
        "31 points, K = 2, M = R = 2, whole command",
        {"rows": 31, "columns": 2, "k": 2, "mappers": 2, "reducers": 2},
        series,
        skipped,
        (
            *time_ratio(series, "ours", starts),
            *detail_ratio(series, "ours", call, "iteration_s", "an iteration ÷ an empty gRPC call"),
        ),
    )
