"""Measure ours and other libraries side by side: same data, same start, same threads, alternating.

Writes results.json, results.md and pictures. NAME chooses workloads by the beginning of their names:
fit-1Mx2-k8, use-1Mx8, n-init, csv, points-mode, tiny, curve-rows, curve-tasks, ... A quick try:

    python -m scripts.bench --scale 0.01 --repeats 1 --only fit --only tiny
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from scripts.bench import plots, report
from scripts.bench.data import KINDS, prepare
from scripts.bench.outcomes import Outcome, measure
from scripts.bench.quiet import adopt_orphans
from scripts.bench.workloads import workloads

_DATA = "Points of the fits; may be repeated. The other workloads take the first."
_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--repeats", type=click.IntRange(1), default=5, help="Timed runs of each.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of data and starts.")
@click.option("--scale", type=click.FloatRange(0, min_open=True), default=1.0, help="Factor of the rows.")
@click.option("--only", multiple=True, metavar="NAME", help="Only these workloads; may be repeated.")
@click.option("--data", "kinds", type=click.Choice(KINDS), multiple=True, default=["blobs"], help=_DATA)
@click.option("--iterations", type=click.IntRange(1), default=30, help="Of the fits, at most.")
@click.option("--out", type=_FOLDER, default="build/bench", help="Folder of the results.")
def main(repeats: int, seed: int, scale: float, only: tuple[str, ...], out: Path, **fits: Any) -> None:
    """Run the workloads chosen; results are written after each."""
    rows = workloads(scale=scale, **fits)
    chosen = [row for name, row in rows.items() if not only or name.startswith(only)]
    if not chosen:
        raise click.UsageError(f"no workload begins with {', '.join(only)}; see --help")
    out.mkdir(parents=True, exist_ok=True)
    adopt_orphans()
    about = report.about(sys.argv[1:], repeats, seed, scale)
    outcomes: list[Outcome] = []
    for workload in chosen:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            outcomes.append(measure(prepare(workload, Path(folder), seed), repeats))
        click.echo(f"{workload.name}: done", err=True)
        report.write(out, about, outcomes)
    plots.draw(out, outcomes)
    click.echo((out / "results.md").read_text())


if __name__ == "__main__":
    main()
