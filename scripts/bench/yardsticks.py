"""What the machine itself takes: to write and read bytes, to start Python, to call over gRPC."""

import json
import multiprocessing
import subprocess
import time
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
import pyarrow
import pyarrow.csv

from scripts.bench.measure import ROOT, Sample, python, run

_FIRST_CALLS = 200
_CALLS = 2000
_STARTS = 5


def write_and_read(sources: Sequence[Sequence[Path]], folder: Path) -> Sample:
    """Write copies of the files and read them back, one process for each group of files.

    The bytes are in memory before the clock starts, and nothing waits for the disk.
    """
    return _in_parallel(_copy, [(list(group), folder) for group in sources])


def write_csv(records: Sequence[Path], folder: Path) -> Sample:
    """Write, once, the table of each mapper's output by pyarrow's CSV writer, one process each.

    The tables are in memory before the clock starts.
    """
    return _in_parallel(_write_table, [([path], folder) for path in records])


def python_starts() -> Sample:
    """Start Python with numpy and gRPC five times in sequence: as many as a small run's processes."""
    command = python("-c", "import numpy, grpc")
    return Sample(sum(run(command, ROOT).seconds for _ in range(_STARTS)))


def round_trip() -> Sample:
    """Call an empty gRPC method of another Python process, one call after the other; the median."""
    found: dict[str, float] = json.loads(run(python("-m", "scripts.bench.yardsticks"), ROOT).stdout)
    return Sample(found.pop("seconds"), found)


def _in_parallel(work: Callable[..., None], tasks: Sequence[tuple[list[Path], Path]]) -> Sample:
    """Return the seconds from the first process's start to the last one's end."""
    processes = multiprocessing.get_context("spawn")
    ready = processes.Barrier(len(tasks))
    with processes.Manager() as manager:
        times = manager.list()
        children = [processes.Process(target=work, args=(*task, ready, times)) for task in tasks]
        for child in children:
            child.start()
        for child in children:
            child.join()
        began, ended = zip(*times, strict=True)
    return Sample(max(ended) - min(began))


def _copy(sources: list[Path], folder: Path, ready: Barrier, times: Any) -> None:
    contents = [source.read_bytes() for source in sources]
    copies = [folder / f"copy_{multiprocessing.current_process().pid}_{i}" for i in range(len(sources))]
    ready.wait()
    began_s = time.perf_counter()
    for copy, content in zip(copies, contents, strict=True):
        copy.write_bytes(content)
    for copy in copies:
        copy.read_bytes()
    times.append((began_s, time.perf_counter()))
    for copy in copies:
        copy.unlink()


def _write_table(sources: list[Path], folder: Path, ready: Barrier, times: Any) -> None:
    pyarrow.set_cpu_count(1)
    table = pyarrow.csv.read_csv(sources[0], pyarrow.csv.ReadOptions(autogenerate_column_names=True))
    table = table.combine_chunks()
    out = folder / f"table_{multiprocessing.current_process().pid}.csv"
    ready.wait()
    began_s = time.perf_counter()
    pyarrow.csv.write_csv(table, out, pyarrow.csv.WriteOptions(include_header=False))
    times.append((began_s, time.perf_counter()))
    out.unlink()


def _serve() -> None:
    from concurrent.futures import ThreadPoolExecutor

    import grpc

    server = grpc.server(ThreadPoolExecutor(1))
    answer: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench", {"Echo": answer})])
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    input()
    server.stop(None)


@click.command(help=round_trip.__doc__)
@click.option("--serve", is_flag=True, help="Be the other process.")
def main(serve: bool) -> None:
    """Print the median seconds, and the processor time of a call in this process, as JSON."""
    if serve:
        _serve()
        return
    import grpc

    with subprocess.Popen(
        python("-m", "scripts.bench.yardsticks", "--serve"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        with grpc.insecure_channel(f"127.0.0.1:{server.stdout.readline().strip()}") as channel:
            call: Any = channel.unary_unary("/bench/Echo")
            for _ in range(_FIRST_CALLS):
                call(b"", wait_for_ready=True)
            began_cpu_s = time.process_time()
            times = [_timed(call) for _ in range(_CALLS)]
            cpu_s = (time.process_time() - began_cpu_s) / _CALLS
        server.communicate("\n")
    print(json.dumps({"seconds": median(times), "caller_cpu_s": cpu_s, "mean_s": float(np.mean(times))}))


def _timed(call: Callable[[bytes], object]) -> float:
    began_s = time.perf_counter()
    call(b"")
    return time.perf_counter() - began_s


if __name__ == "__main__":
    main()
