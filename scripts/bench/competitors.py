"""Who is measured: a table of names, each with the package that it needs and how it runs once.

Ours is `python -m master`, another library one fit by `python -m scripts.bench.libraries`. The rest is what the
machine itself takes to move bytes, start Python and call over gRPC.
"""

import json
import multiprocessing
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import grpc
import numpy as np
import pyarrow
from pyarrow import csv

from scripts.bench.data import Case
from scripts.bench.dump import initial_centroids, read_trace
from scripts.bench.measure import THREADS, Contender, Sample, Unavailable, run
from scripts.bench.workloads import CALL, CONSTANTS, CSV_WRITER, PANDAS, PANDAS_ARROW, PYTHON_STARTS

_FIRST_CALLS, _CALLS = 200, 2000
_STARTS = 5
"""As many as a small run has processes."""


@dataclass(frozen=True)
class Competitor:
    """How to run a competitor once: on a workload, in a folder of its own, watching the memory or not."""

    run: Callable[[Case, Path, bool], Sample]
    package: str = ""  # that must be installed; empty: none


def contenders(case: Case, competitors: Mapping[str, Competitor]) -> dict[str, Contender]:
    """Return them as what `alternate` runs."""

    def run_once(name: str, competitor: Competitor, watch: bool) -> Sample:
        if competitor.package and find_spec(competitor.package) is None:
            raise Unavailable(f"{competitor.package} is not installed")
        (case.folder / name).mkdir(exist_ok=True)
        return competitor.run(case, case.folder / name, watch)

    return {name: partial(run_once, name, competitor) for name, competitor in competitors.items()}


def ours(*options: object, package: str = "") -> Competitor:
    """Return the command line; where it has an option of the workload again, its own value counts."""

    def run_master(case: Case, folder: Path, watch: bool) -> Sample:
        row = case.workload
        start = ["--init-centroids", case.initial] if case.initial.exists() else ["--n-init", row.starts]
        limits = ["--k", row.k, "--iters", row.iterations, "--tol", 0, "--seed", case.seed]
        workers = ["--mappers", row.mappers, "--reducers", row.reducers, "--threads", 1]
        command = ["-m", "master", "--quiet", "--input", case.points]
        sample = run([*command, *start, *limits, *workers, *row.options, *options], folder, watch=watch)
        details = {**read_trace((folder / "dump.txt").read_text()), "command_s": sample.seconds}
        return replace(sample, seconds=details[row.timed], details=details)

    return Competitor(run_master, package)


def library(name: str, package: str, dtype: str = "float64", threads: int = THREADS) -> Competitor:
    """Return one of `libraries.FITS`; while it is watched, without the labels and inertia to check."""

    def run_library(case: Case, folder: Path, watch: bool) -> Sample:
        initial, iterations = case.initial, case.workload.iterations
        if case.workload.starts > 1:
            initial = folder / "starts.npy"
            np.save(initial, initial_centroids(case.dump_of("ours")))
        if name == "faiss":  # which never stops sooner
            iterations = read_trace(case.dump_of("ours"))["iterations"]
        out = "" if watch else folder / "fit.npz"
        command = [
            "-m",
            "scripts.bench.libraries",
            name,
            dtype,
            threads,
            iterations,
            case.points,
            initial,
            out,
        ]
        sample = run(command, folder, watch=watch)
        found = json.loads(sample.stdout.splitlines()[-1])
        return replace(sample, seconds=found.pop("seconds"), details=found)

    return Competitor(run_library, package)


def _pandas(engine: str) -> Competitor:
    """Return pandas and scikit-learn as a whole command."""

    def run_pandas(case: Case, folder: Path, watch: bool) -> Sample:
        arguments = [case.points, case.initial, case.workload.iterations, engine, folder / "fit.npz"]
        return run(["-m", "scripts.bench.pandas_sklearn", *arguments], folder, watch=watch)

    return Competitor(run_pandas, "pandas")


def _in_threads(
    of: str, pattern: str, prepare: Callable[[Sequence[Path], Path], Callable[[], None]]
) -> Competitor:
    """Return something done with the files of each mapper of one of ours, in a thread for each mapper.

    What `prepare` does with the files is not timed, what it returns is; nothing waits for the disk.
    """

    def run_threads(case: Case, folder: Path, _: bool) -> Sample:
        mappers = (case.folder / of / "data" / "mappers").glob("M*")
        works = [prepare(sorted(each.glob(pattern)), folder / each.name) for each in mappers]
        if not works:
            raise Unavailable(f"{of} was not measured")
        with ThreadPoolExecutor(len(works)) as pool:
            began_s = time.perf_counter()
            list(pool.map(lambda work: work(), works))
            seconds = time.perf_counter() - began_s
        shutil.rmtree(folder)
        return Sample(seconds)

    return Competitor(run_threads)


def _copy(sources: Sequence[Path], folder: Path) -> Callable[[], None]:
    """Write copies of the files, and read them back."""
    folder.mkdir()
    copies = {folder / path.name: path.read_bytes() for path in sources if path.is_file()}

    def write_and_read() -> None:
        for path, content in copies.items():
            path.write_bytes(content)
        for path in copies:
            path.read_bytes()

    return write_and_read


def _write_csv(sources: Sequence[Path], folder: Path) -> Callable[[], None]:
    """Write the table in the first file, once, by pyarrow's CSV writer."""
    table = csv.read_csv(sources[0], csv.ReadOptions(autogenerate_column_names=True)).combine_chunks()
    pyarrow.set_cpu_count(1)
    return lambda: csv.write_csv(table, folder.with_suffix(".csv"), csv.WriteOptions(include_header=False))


def _start_python(case: Case, folder: Path, _: bool) -> Sample:
    return Sample(sum(run(["-c", "import numpy, grpc"], folder).seconds for _ in range(_STARTS)))


def _call_another_process(*_: object) -> Sample:
    """Call an empty gRPC method, served here, from another process, one call after the other; the median."""
    server = grpc.server(ThreadPoolExecutor(1))
    echo: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench", {"Echo": echo})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as caller:
        sample = caller.submit(_call, port).result()
    server.stop(None)
    return sample


def _call(port: int) -> Sample:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary("/bench/Echo")
        for _ in range(_FIRST_CALLS):
            call(b"", wait_for_ready=True)
        began_cpu_s, clock_s = time.process_time(), [time.perf_counter()]
        for _ in range(_CALLS):
            call(b"")
            clock_s.append(time.perf_counter())
        cpu_s = (time.process_time() - began_cpu_s) / _CALLS
    times = [after - before for before, after in pairwise(clock_s)]
    return Sample(median(times), {"caller_cpu_s": cpu_s, "mean_s": mean(times)})


COMPETITORS: Mapping[str, Competitor] = {
    "ours": ours(),
    "an iteration": ours(),
    "ours float32": ours("--dtype", "float32"),
    "ours on spark": ours("--engine", "spark", "--spark-master", f"local[{THREADS}]", package="pyspark"),
    "ours on dask": ours("--engine", "dask", package="distributed"),
    "ours, M = 1": ours("--mappers", 1),
    "ours, M = 2": ours("--mappers", 2),
    "text": ours("--intermediate", "text"),
    "arrow": ours("--intermediate", "arrow"),
    **{name: ours("--mappers", m, "--reducers", r, "--iters", n) for name, (m, r, n) in CONSTANTS.items()},
    "sklearn-lloyd": library("sklearn-lloyd", "sklearn"),
    "sklearn-elkan": library("sklearn-elkan", "sklearn"),
    "sklearn-lloyd float32": library("sklearn-lloyd", "sklearn", "float32"),
    "sklearn-elkan float32": library("sklearn-elkan", "sklearn", "float32"),
    "sklearn-lloyd, threads = 1": library("sklearn-lloyd", "sklearn", threads=1),
    "sklearn-lloyd, threads = 2": library("sklearn-lloyd", "sklearn", threads=2),
    "faiss": library("faiss", "faiss", "float32"),
    "spark": library("spark", "pyspark"),
    "spark-block": library("spark-block", "pyspark"),
    "dask-ml": library("dask-ml", "dask_ml"),
    PANDAS: _pandas("c"),
    PANDAS_ARROW: _pandas("pyarrow"),
    "bytes of text": _in_threads("text", "*", _copy),
    "bytes of arrow": _in_threads("arrow", "*", _copy),
    CSV_WRITER: _in_threads("text", "map_output*", _write_csv),
    PYTHON_STARTS: Competitor(_start_python),
    CALL: Competitor(_call_another_process),
}
"""By the name that the workloads and the results call them."""
