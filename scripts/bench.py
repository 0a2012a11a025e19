"""Time whole runs of the command line, alternating, and print medians and ratios as Markdown.

`python -m scripts.bench --rows 1000000 --columns 2 --k 8 --iters 5`
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
import numpy as np

_ROOT = Path(__file__).resolve().parent.parent


def _timed_run(folder: Path, arguments: list[str]) -> float:
    """Return the seconds that a run takes, start-up included."""
    began_s = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "master", *arguments, "--quiet"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        check=True,
    )
    return time.perf_counter() - began_s


@click.command(help=__doc__)
@click.option("--rows", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--columns", type=click.IntRange(1), default=2, show_default=True)
@click.option("--k", type=click.IntRange(1), default=8, show_default=True)
@click.option("--iters", type=click.IntRange(1), default=5, show_default=True)
@click.option("--mappers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--reducers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(
    rows: int, columns: int, k: int, iters: int, mappers: int, reducers: int, repeats: int, seed: int
) -> None:
    """Measure points mode, the combiner and the inline engine side by side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        points = np.random.default_rng(seed).normal(size=(rows, columns))
        np.savetxt(folder / "points.csv", points, fmt="%.17g", delimiter=",")
        base = [
            *("--mappers", str(mappers), "--reducers", str(reducers), "--k", str(k)),
            *("--iters", str(iters), "--tol", "0", "--input", "points.csv"),
        ]
        variants = {"--combine": ["--combine"], "points mode": [], "inline": ["--engine", "inline"]}
        times_s: dict[str, list[float]] = {variant: [] for variant in variants}
        results = set()
        for _ in range(repeats + 1):
            for variant, more in variants.items():
                times_s[variant].append(_timed_run(folder, [*base, *more]))
                results.add((folder / "data" / "centroids.txt").read_bytes())
    _report(times_s, len(results) == 1)
    print(
        f"\n{rows:,} × {columns}, K = {k}, {iters} iterations, M = {mappers}, R = {reducers}; CSV to result,"
    )
    print(f"whole command; median of {repeats} after one warm-up; Python {platform.python_version()},")
    print(f"{os.cpu_count()} cores, {platform.machine()}")


def _report(times_s: dict[str, list[float]], same: bool) -> None:
    reference = median(times_s["--combine"][1:])
    print("| run | time against --combine |")
    print("|---|---|")
    for variant, runs in times_s.items():
        middle = median(runs[1:])
        print(f"| {variant} | {middle / reference:.2f} |")
    print(f"\nall results the same bytes: {'yes' if same else 'NO'}")


if __name__ == "__main__":
    main()
