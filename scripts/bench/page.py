"""Measure what the page of a run costs: `python -m scripts.bench.page`.

First pairs of runs with and without --ui, one after the other, while something reads the page's stream as a
browser does. Then the server on a dump.txt of 200,000 lines: seconds until its first picture, and its memory.
"""

import http.client
import re
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from threading import Thread
from urllib.parse import urlsplit

import click
import numpy as np
import psutil

from common.events.line import read_dump
from scripts.bench.dump import read_trace

_NUMBERED = re.compile(r"(stage|iteration)=(\d+)")
_RUN = ("--mappers", "2", "--reducers", "2", "--combine", "--tol", "0", "--sample", "0", "--quiet")


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--lines", type=click.IntRange(1000), default=200_000, help="Of the long dump.txt.")
@click.option("--rows", type=click.IntRange(100), default=1_000_000, help="Of the input of the runs.")
@click.option("--columns", type=click.IntRange(1), default=16, help="Of the input of the runs.")
@click.option("--k", type=click.IntRange(1), default=64, help="Clusters of the runs.")
@click.option("--iterations", type=click.IntRange(2), default=20, help="Of each run.")
@click.option("--pairs", type=click.IntRange(1), default=5, help="Of runs with and without the page.")
def main(lines: int, rows: int, columns: int, k: int, iterations: int, pairs: int) -> None:
    """Measure, and print what was found."""
    with tempfile.TemporaryDirectory(prefix="bench-page-") as name:
        folder = Path(name)
        np.save(folder / "in.npy", np.random.default_rng(0).normal(size=(rows, columns)))
        options = [*_RUN, "--input", "in.npy", "--k", str(k), "--iters", str(iterations)]
        measured = [(_run(folder, options), _run(folder, [*options, "--ui"])) for _ in range(pairs)]
        for without, with_page in measured:
            click.echo(f"iteration {without[0] * 1e3:.1f} ms, with the page {with_page[0] * 1e3:.1f} ms")
        ratios = [with_page[0] / without[0] for without, with_page in measured]
        server_s = median(with_page[1] for _, with_page in measured)
        click.echo(f"median ratio {median(ratios):.3f}; CPU of the server {server_s:.2f} s a run")
        _lengthen(folder / "dump.txt", lines)
        first_s, cpu_s, peak_mb = _open_page(folder)
        click.echo(
            f"{lines:,} lines: first picture after {first_s:.2f} s, of which the server had a processor for "
            f"{cpu_s:.2f} s; it had at most {peak_mb:.0f} MB"
        )


def _run(folder: Path, options: list[str]) -> tuple[float, float]:
    """Run; return the median seconds of an iteration but the first, and the CPU seconds of the server."""
    process = _start(folder, *options, stderr=subprocess.PIPE)
    server_s = 0.0
    if "--ui" in options:
        assert process.stderr is not None
        address = re.findall(r"http\S+", process.stderr.readline())[0]
        Thread(target=_read, args=(address,), daemon=True).start()
        while process.poll() is None:
            server_s = max(server_s, _cpu_of_server(process.pid))
            time.sleep(0.1)
    process.communicate()
    return median(read_trace(read_dump(folder / "dump.txt"))["iterations_s"][1:]), server_s


def _start(folder: Path, *arguments: str, **pipes: int) -> "subprocess.Popen[str]":
    path = [sys.executable, "-m", "master", *arguments]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(path, cwd=folder, text=True, env=environment, **pipes)  # type: ignore[call-overload,no-any-return]


def _read(address: str, most_lines: int | None = None) -> None:
    """Read the stream of a page until it ends, or so many lines of it."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("GET", f"{parts.path}events")
    stream = connection.getresponse()
    while (most_lines is None or most_lines > 0) and stream.readline():
        most_lines = None if most_lines is None else most_lines - 1
    connection.close()


def _cpu_of_server(master: int) -> float:
    try:
        for each in psutil.Process(master).children():
            if "ui" in each.cmdline():
                return sum(each.cpu_times()[:2])
    except psutil.Error:
        pass
    return 0.0


def _lengthen(dump: Path, lines: int) -> None:
    """Repeat the lines of a run's iterations, each time as further ones, until there are so many."""
    text = dump.read_text().splitlines()
    begins = [place for place, line in enumerate(text) if "event=iteration_started" in line]
    head, body, n = text[: begins[0]], text[begins[0] : begins[-1]], len(begins) - 1
    with dump.open("w") as out:
        out.writelines(f"{line}\n" for line in head)
        for turn in range(-(-(lines - len(head)) // len(body))):
            later = partial(_later, by=turn * n)
            for line in body[: lines - len(head) - turn * len(body)]:
                out.write(_NUMBERED.sub(later, line) + "\n")


def _later(match: re.Match[str], by: int) -> str:
    return f"{match[1]}={int(match[2]) + by}"


def _open_page(folder: Path) -> tuple[float, float, float]:
    """Serve a dump.txt; return the seconds until its first picture, its CPU seconds, and its memory in MB."""
    process = _start(folder, "ui", stdout=subprocess.PIPE)
    assert process.stdout is not None
    address = re.findall(r"http\S+", process.stdout.readline())[0]
    began_s, server = time.monotonic(), psutil.Process(process.pid)
    before_s = sum(server.cpu_times()[:2])
    _read(address, most_lines=1)
    first_s = time.monotonic() - began_s
    cpu_s = sum(server.cpu_times()[:2]) - before_s
    status = Path(f"/proc/{process.pid}/status").read_text()
    process.terminate()
    process.communicate()
    return first_s, cpu_s, int(re.findall(r"VmHWM:\s+(\d+)", status)[0]) / 1000


if __name__ == "__main__":
    main()
