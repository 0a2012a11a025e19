"""Measure 1 to M mappers on every engine that is installed, and draw how much faster each gets.

What is compared is the time of the iterations, the first with all that the kernels set up; reading and
start-up don't count. Writes speedup.png and speedup.json. A quick try:

    python -m scripts.bench.speedup --mappers 2 --rows 20000 --repeats 1 --out build/bench
"""

import json
import platform
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from common.machine import cores
from master.engines.table import ENGINES
from scripts.bench.competitors import Competitor, contenders, ours
from scripts.bench.data import prepare
from scripts.bench.measure import Series, alternate
from scripts.bench.plots import draw_speedups
from scripts.bench.quiet import adopt_orphans
from scripts.bench.workloads import Workload

_NAME = "{}, M = {}"


def engines() -> list[str]:
    """Return the engines that there are."""
    return list(ENGINES)


def competitor(engine: str, mappers: int) -> Competitor:
    """Return an engine that uses that many cores; one process has threads for mappers."""
    workers, threads = (1, mappers) if engine == "inline" else (mappers, 1)
    cluster = ["--spark-master", f"local[{mappers}]"] if engine == "spark" else []
    return Competitor(ours, ("--engine", engine, "--mappers", workers, "--threads", threads, *cluster))


def speedups(series: Mapping[str, Series], chosen: Sequence[str], most: int) -> dict[str, dict[int, float]]:
    """Return how many times faster each number of mappers is than one mapper of the same engine."""
    found: dict[str, dict[int, float]] = {}
    for engine in chosen:
        names = {m: _NAME.format(engine, m) for m in range(1, most + 1)}
        times = {m: series[name].median_s for m, name in names.items() if name in series}
        if 1 in times:
            found[engine] = {m: times[1] / time_s for m, time_s in times.items()}
    return found


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--mappers", "most", type=click.IntRange(1), default=cores(), help="The most mappers.")
@click.option("--engine", "chosen", type=click.Choice(engines()), multiple=True, help="May be repeated.")
@click.option("--rows", type=click.IntRange(1), default=1_000_000)
@click.option("--columns", type=click.IntRange(1), default=16)
@click.option("--k", type=click.IntRange(1), default=64)
@click.option("--iterations", type=click.IntRange(1), default=10, help="At most.")
@click.option("--repeats", type=click.IntRange(1), default=3, help="Timed runs of each.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the data and the start.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default="docs/bench", help="Folder.")
def main(most: int, chosen: tuple[str, ...], repeats: int, seed: int, out: Path, **size: Any) -> None:
    """Measure, draw, and print a table."""
    adopt_orphans()
    names, title = chosen or engines(), "{size}, at most {iterations} iterations"
    workload = Workload("speedup", "speedup", title=title, data="blobs", reducers=1, options=(), **size)
    competitors = {_NAME.format(name, m): competitor(name, m) for m in range(1, most + 1) for name in names}
    with tempfile.TemporaryDirectory(prefix="speedup-") as folder:
        case = prepare(workload, Path(folder), seed)
        measured = alternate(contenders(case, competitors), repeats)
        series, skipped = measured.series, measured.skipped
        centroids = {(case.folder / name / "data" / "centroids.txt").read_bytes() for name in series}
    if len(centroids) > 1:
        raise click.ClickException("engines differ in their centroids")
    for name, reason in skipped.items():
        click.echo(f"{name}: not measured: {reason}", err=True)
    found = speedups(series, names, most)
    if not found:
        raise click.ClickException("nothing could be measured")
    seconds = {name: each.seconds for name, each in series.items()}
    machine = {"cores": cores(), "machine": platform.platform()}
    results = {"seconds": seconds, "loads": measured.loads, "skipped": skipped, "speedups": found}
    facts = {"about": workload.heading, "seed": seed, **machine, **results}
    out.mkdir(parents=True, exist_ok=True)
    (out / "speedup.json").write_text(f"{json.dumps(facts, indent=2)}\n")
    draw_speedups(out / "speedup.png", found, cores(), workload.heading)
    for engine, ratios in found.items():
        click.echo(f"{engine:8}" + "".join([f"  {m}: {ratio:.2f}" for m, ratio in ratios.items()]))


if __name__ == "__main__":
    main()
