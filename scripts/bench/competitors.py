"""Who is measured: a table of names, each with the package that it needs and how it runs once.

Ours is `python -m master`, another library one fit by `python -m scripts.bench.libraries`. The rest is what
the machine itself takes to move bytes, start Python and call over gRPC.
"""

import json
import multiprocessing
import shutil
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median
from typing import Any

import grpc
import numpy as np
import pyarrow
from pyarrow import csv

from scripts.bench.data import Case
from scripts.bench.dump import initial_centroids, read_trace
from scripts.bench.limits import iteration_limit_s, operations_per_s
from scripts.bench.measure import THREADS, Contender, Sample, Unavailable, run
from scripts.bench.workloads import (
    CALL,
    CONSTANTS,
    CSV_READER,
    CSV_WRITER,
    LIMIT,
    PANDAS,
    PANDAS_ARROW,
    PYTHON_STARTS,
    USES,
)

_FIRST_CALLS, _CALLS = 200, 2000
_STARTS = 5  # as many as a small run has processes
Prepare = Callable[[Sequence[Path], Path], Callable[[], None]]


@dataclass(frozen=True)
class Competitor:
    """How to run a competitor once."""

    run: Callable[..., Sample]  # is given a case, a folder of its own, whether to watch, and the arguments
    arguments: tuple[object, ...] = ()
    package: str = ""  # that must be installed; empty: none


def contenders(case: Case, competitors: Mapping[str, Competitor]) -> dict[str, Contender]:
    """Return them as what `alternate` runs."""
    return {name: partial(_run_once, case, name, competitor) for name, competitor in competitors.items()}


def _run_once(case: Case, name: str, competitor: Competitor, watch: bool) -> Sample:
    if competitor.package and find_spec(competitor.package) is None:
        raise Unavailable(f"{competitor.package} is not installed")
    (case.folder / name).mkdir(exist_ok=True)
    return competitor.run(case, case.folder / name, watch, *competitor.arguments)


def ours(case: Case, folder: Path, watch: bool, *options: object) -> Sample:
    """Run the command line; where it has an option of the workload again, its own value counts."""
    row = case.workload
    start = ["--init-centroids", case.initial] if case.initial.exists() else ["--n-init", row.starts]
    limits = ["--k", row.k, "--iters", row.iterations, "--tol", 0, "--seed", case.seed]
    workers = ["--mappers", row.mappers, "--reducers", row.reducers, "--threads", 1]
    command = ["-m", "master", "--quiet", "--input", case.points]
    sample = run([*command, *start, *limits, *workers, *row.options, *options], folder, watch=watch)
    details = {**read_trace(case.dump_of(folder.name)), "command_s": sample.seconds}
    return replace(sample, seconds=details[row.timed], details=details)


def _library(case: Case, folder: Path, watch: bool, name: str, dtype: str, threads: int = THREADS) -> Sample:
    """Run one of `libraries.FITS`; it writes its labels and inertia if they are compared, unless watched."""
    initial, iterations = case.initial, case.workload.iterations
    if case.workload.starts > 1:
        initial = folder / "starts.npy"
        np.save(initial, initial_centroids(case.dump_of("ours")))
    if name == "faiss":  # which never stops sooner
        iterations = read_trace(case.dump_of("ours"))["iterations"]
    agrees = any(each.agree for each in case.workload.comparisons)
    files = [case.points, initial, folder / "fit.npz" if agrees and not watch else ""]
    counts = watch and case.workload.starts > 1
    command = ["-m", "scripts.bench.libraries", name, dtype, threads, iterations, int(counts)]
    sample = run([*command, *files], folder, watch=watch)
    found = json.loads(sample.stdout.splitlines()[-1])
    return replace(sample, seconds=found.pop("seconds"), details=found)


def _run_often(case: Case, folder: Path, watch: bool, times: int, *arguments: str) -> Sample:
    return Sample(sum(run(arguments, folder).seconds for _ in range(times)))


def _pandas(case: Case, folder: Path, watch: bool, engine: str) -> Sample:
    """Run pandas and scikit-learn as a whole command."""
    arguments = [case.points, case.initial, case.workload.iterations, engine, folder / "fit.npz"]
    return run(["-m", "scripts.bench.pandas_sklearn", *arguments], folder, watch=watch)


def _limit(case: Case, folder: Path, watch: bool, itemsize: int) -> Sample:
    """Calculate what an iteration of plain K-Means takes at least."""
    row = case.workload
    seconds = iteration_limit_s(row.rows, row.columns, row.k, itemsize, THREADS)
    return Sample(seconds, {"iterations": 1, "operations_per_s": operations_per_s(THREADS)})


def _read_csv(case: Case, folder: Path, watch: bool) -> Sample:
    """Read the input by pyarrow's CSV reader, whose tables nobody uses."""
    pyarrow.set_cpu_count(THREADS)
    began_s = time.perf_counter()
    csv.read_csv(case.points, csv.ReadOptions(autogenerate_column_names=True))
    return Sample(time.perf_counter() - began_s)


def _in_threads(case: Case, folder: Path, watch: bool, prepare: Prepare, of: str) -> Sample:
    """Time what `prepare` returns for the files of each mapper of one of ours, in a thread for each."""
    mappers = [each for each in (case.folder / of / "data" / "mappers").iterdir() if each.is_dir()]
    files = {each.name: [path for path in each.iterdir() if path.is_file()] for each in mappers}
    works = [prepare(paths, folder / name) for name, paths in files.items()]
    with ThreadPoolExecutor(len(works)) as pool:
        began_s = time.perf_counter()
        list(pool.map(lambda work: work(), works))
        seconds = time.perf_counter() - began_s
    shutil.rmtree(folder)
    return Sample(seconds)


def _copy(sources: Sequence[Path], folder: Path) -> Callable[[], None]:
    """Write copies of the files, and read them back."""
    folder.mkdir()
    copies = {folder / path.name: path.read_bytes() for path in sources}

    def write_and_read() -> None:
        for path, content in copies.items():
            path.write_bytes(content)
        for path in copies:
            path.read_bytes()

    return write_and_read


def _write_csv(sources: Sequence[Path], folder: Path) -> Callable[[], None]:
    """Write the table of the map output, once, by pyarrow's CSV writer."""
    (output,) = [path for path in sources if path.name.startswith("map_output")]
    table = csv.read_csv(output, csv.ReadOptions(autogenerate_column_names=True)).combine_chunks()
    pyarrow.set_cpu_count(1)
    return lambda: csv.write_csv(table, folder.with_suffix(".csv"), csv.WriteOptions(include_header=False))


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
        began_cpu_s = time.process_time()
        times = timeit.repeat(lambda: call(b""), number=1, repeat=_CALLS)
        cpu_s = (time.process_time() - began_cpu_s) / _CALLS
    return Sample(median(times), {"caller_cpu_s": cpu_s, "mean_s": mean(times)})


_ON_SPARK = ("--engine", "spark", "--spark-master", f"local[{THREADS}]")
_CONSTANTS = {name: ("--mappers", m, "--reducers", r, "--iters", n) for name, (m, r, n) in CONSTANTS.items()}

COMPETITORS: Mapping[str, Competitor] = {
    "ours": Competitor(ours),
    "ours float32": Competitor(ours, ("--dtype", "float32")),
    "ours in Python": Competitor(_library, ("ours", "float64"), "sklearn"),
    "ours in Python float32": Competitor(_library, ("ours", "float32"), "sklearn"),
    "ours on spark": Competitor(ours, _ON_SPARK, "pyspark"),
    "ours on dask": Competitor(ours, ("--engine", "dask"), "distributed"),
    "ours, M = 1": Competitor(ours, ("--mappers", 1)),
    "ours, M = 2": Competitor(ours, ("--mappers", 2)),
    "text": Competitor(ours, ("--intermediate", "text")),
    "arrow": Competitor(ours, ("--intermediate", "arrow")),
    **{name: Competitor(ours, options) for name, options in _CONSTANTS.items()},
    "sklearn-lloyd": Competitor(_library, ("sklearn-lloyd", "float64"), "sklearn"),
    "sklearn-elkan": Competitor(_library, ("sklearn-elkan", "float64"), "sklearn"),
    "sklearn-lloyd float32": Competitor(_library, ("sklearn-lloyd", "float32"), "sklearn"),
    "sklearn-elkan float32": Competitor(_library, ("sklearn-elkan", "float32"), "sklearn"),
    "sklearn-lloyd, threads = 1": Competitor(_library, ("sklearn-lloyd", "float64", 1), "sklearn"),
    "sklearn-lloyd, threads = 2": Competitor(_library, ("sklearn-lloyd", "float64", 2), "sklearn"),
    "oneDAL": Competitor(_library, ("oneDAL", "float64"), "sklearnex"),
    "oneDAL float32": Competitor(_library, ("oneDAL", "float32"), "sklearnex"),
    "faiss": Competitor(_library, ("faiss", "float32"), "faiss"),
    "spark": Competitor(_library, ("spark", "float64"), "pyspark"),
    "spark-block": Competitor(_library, ("spark-block", "float64"), "pyspark"),
    "dask-ml": Competitor(_library, ("dask-ml", "float64"), "dask_ml"),
    LIMIT: Competitor(_limit, (8,), "threadpoolctl"),
    f"{LIMIT} float32": Competitor(_limit, (4,), "threadpoolctl"),
    **{
        f"{name} {method}{suffix}": Competitor(_library, (f"{name} {method}", dtype), package)
        for method, others in USES.items()
        for name, package in {"ours": "sklearn", **others}.items()
        for suffix, dtype in (("", "float64"), (" float32", "float32"))
    },
    PANDAS: Competitor(_pandas, ("c",), "pandas"),
    PANDAS_ARROW: Competitor(_pandas, ("pyarrow",), "pandas"),
    "bytes of text": Competitor(_in_threads, (_copy, "text")),
    "bytes of arrow": Competitor(_in_threads, (_copy, "arrow")),
    CSV_READER: Competitor(_read_csv),
    CSV_WRITER: Competitor(_in_threads, (_write_csv, "text")),
    PYTHON_STARTS: Competitor(_run_often, (_STARTS, "-c", "import numpy, grpc")),
    CALL: Competitor(_call_another_process),
}
