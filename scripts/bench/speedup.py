"""Measure 1 to M mappers on every engine that is installed, and draw how much faster each gets.

What is compared is the time of the iterations, the first with all that the kernels set up; reading and
start-up don't count. Writes speedup.png and speedup.json. A quick try:

    python -m scripts.bench.speedup --mappers 2 --rows 20000 --repeats 1 --out build/bench
"""

import json
import platform
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import click
import numpy as np

from common.machine import cores
from master.engines.table import ENGINES
from scripts.bench import ours
from scripts.bench.data import generate, initial_rows
from scripts.bench.fit import Size, title
from scripts.bench.measure import Sample, Series, alternate

Speedups = dict[str, dict[int, float]]
"""By engine and number of mappers: the time of one mapper divided by theirs."""


@dataclass(frozen=True)
class Work:
    """What is clustered, and where the files are."""

    folder: Path
    size: Size
    iterations: int


def engines() -> list[str]:
    """Return the engines that there are."""
    return list(ENGINES)


def engine_options(engine: str, mappers: int) -> Mapping[str, object]:
    """Return the options that make an engine use that many cores; one process has threads for mappers."""
    if engine == "inline":
        return {"engine": engine, "mappers": 1, "threads": mappers}
    cluster = {"spark-master": f"local[{mappers}]"} if engine == "spark" else {}
    return {"engine": engine, "mappers": mappers, "threads": 1, **cluster}


def prepare(folder: Path, size: Size, iterations: int, seed: int) -> Work:
    """Write the points, and the centroids that everybody starts from."""
    points = generate("blobs", size.rows, size.columns, size.k, seed)
    np.save(folder / "points.npy", points)
    np.save(folder / "initial.npy", initial_rows(points, size.k, seed))
    return Work(folder, size, iterations)


def measure(
    work: Work, chosen: list[str], most: int, repeats: int
) -> tuple[dict[str, Series], dict[str, str]]:
    """Measure every engine with 1 to `most` mappers, alternating; check that all find the same bytes.

    Returns
    -------
    tuple
        The times by name (see `_name`), and of those that can't be measured, why.
    """
    counts = range(1, most + 1)
    runs = {_name(engine, m): partial(_sample, work, engine, m) for m in counts for engine in chosen}
    series, skipped = alternate(runs, repeats)
    results = {each.details["centroids"] for each in series.values()}
    if len(results) > 1:
        raise click.ClickException("engines differ in their centroids")
    return series, skipped


def speedups(series: Mapping[str, Series], chosen: list[str], most: int) -> Speedups:
    """Compare each number of mappers with one mapper of the same engine."""
    found: Speedups = {}
    for engine in chosen:
        times = {
            m: series[_name(engine, m)].median_s for m in range(1, most + 1) if _name(engine, m) in series
        }
        if 1 in times:
            found[engine] = {m: times[1] / time_s for m, time_s in times.items()}
    return found


def draw(path: Path, found: Speedups, most: int, heading: str) -> None:
    """Draw the speedups, and what would be ideal: one for each mapper, as long as each has a core."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    counts = list(range(1, most + 1))
    ideal = [min(m, cores()) for m in counts]
    axes.plot(counts, ideal, linestyle="--", color="gray", label=f"ideal on {cores()} cores")
    for engine, ratios in found.items():
        axes.plot(list(ratios), list(ratios.values()), marker="o", label=engine)
    axes.set_xticks(counts)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("mappers (inline: threads)")
    axes.set_ylabel("speed ÷ that of one mapper of the engine")
    axes.set_title(heading, fontsize="medium")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _name(engine: str, mappers: int) -> str:
    return f"{engine}, M = {mappers}"


def _sample(work: Work, engine: str, mappers: int, watch: bool) -> Sample:
    folder = work.folder / f"{engine}_{mappers}"
    options = {
        **{"reducers": 1, "k": work.size.k, "iters": work.iterations, "tol": 0},
        **{"input": work.folder / "points.npy", "init-centroids": work.folder / "initial.npy"},
        **engine_options(engine, mappers),
    }
    trace = ours.master(folder, options, watch=watch).trace
    digest = sha256((folder / "data" / "centroids.txt").read_bytes()).hexdigest()
    return Sample(trace.fit_s, {"iterations": trace.iterations, "centroids": digest})


@click.command(help=__doc__)
@click.option(
    "--mappers", "most", type=click.IntRange(1), default=cores(), help="The most mappers.  [default: cores]"
)
@click.option(
    "--engine", "chosen", type=click.Choice(engines()), multiple=True, help="Only this; may be repeated."
)
@click.option("--rows", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--columns", type=click.IntRange(1), default=16, show_default=True)
@click.option("--k", type=click.IntRange(1), default=64, show_default=True)
@click.option("--iterations", type=click.IntRange(1), default=10, show_default=True, help="At most.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Timed runs of each.")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the data and the start."
)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("docs/bench"), show_default=True
)
def main(most: int, chosen: tuple[str, ...], out: Path, repeats: int, seed: int, **shape: Any) -> None:
    """Measure, draw, and print a table."""
    iterations = shape.pop("iterations")
    size = Size(**shape)
    names = list(chosen) or engines()
    folder = Path(tempfile.mkdtemp(prefix="speedup-"))
    try:
        series, skipped = measure(prepare(folder, size, iterations, seed), names, most, repeats)
    finally:
        shutil.rmtree(folder)
    for name, reason in skipped.items():
        click.echo(f"{name}: not measured: {reason}", err=True)
    found = speedups(series, names, most)
    if not found:
        raise click.ClickException("nothing could be measured")
    heading = f"{title(size)}, at most {iterations} iterations"
    out.mkdir(parents=True, exist_ok=True)
    facts = {
        "about": heading,
        "seed": seed,
        "cores": cores(),
        "machine": platform.platform(),
        "seconds": {name: each.seconds for name, each in series.items()},
        "skipped": skipped,
        "speedups": found,
    }
    (out / "speedup.json").write_text(f"{json.dumps(facts, indent=2)}\n")
    draw(out / "speedup.png", found, most, heading)
    for engine, ratios in found.items():
        click.echo(f"{engine:8}" + "".join([f"  {m}: {ratio:.2f}" for m, ratio in ratios.items()]))


if __name__ == "__main__":
    main()
