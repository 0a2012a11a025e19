"""Compare ours with the pipelines that people know: one table, the same test rows for all.

Each runs alone, as a command of its own. A second table shows what models are worth that have learned from
the rows of one node alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from scripts.bench.measure import ROOT, Unavailable
from scripts.pipelines.inputs import files_of, pipeline
from scripts.pipelines.results import SCORES, node_rows, table
from scripts.pipelines.usage import Watch

_COLUMNS = {
    **SCORES,
    "iterations": "iterations",
    "fit s": "fit_seconds",
    "CPU s": "cpu_seconds",
    "peak MiB": "peak_mb",
}
"""Headings of the first table, and where the figures stand in JSON."""

Result = Mapping[str, Any]
Contender = Callable[[Path], Result]  # runs once, in a folder of its own; Unavailable: it can't be measured


@pipeline(__doc__)
@click.option(
    "--mappers", type=click.IntRange(1), default=3, help="Of ours; the parts that nodes learn from."
)
@click.option("--reducers", type=click.IntRange(1), default=2, help="Of ours.")
def main(path: str, target: str, share: float, seed: int, wanted_json: bool, **tasks: int) -> None:
    """Run all in turn, and print what they found."""
    files_of(path)
    options = ["--input", path if "://" in path else str(Path(path).resolve()), "--target", target]
    options += ["--test", str(share), "--seed", str(seed)]
    results: list[Result] = []
    for name, contender in contenders(options, **tasks).items():
        click.echo(f"{name} ...", err=True)
        results.append({**run(contender), "name": name})
    click.echo(json.dumps(results) if wanted_json else "\n".join(report(results)))


def contenders(options: Sequence[str], mappers: int, reducers: int) -> dict[str, Contender]:
    """Return who takes part, by name."""
    our_options = [*options, "--mappers", str(mappers), "--reducers", str(reducers)]
    engines = {
        f"ours on {engine}": [*our_options, "--engine", engine] for engine in ("grpc", "spark", "dask")
    }
    return {
        **{name: partial(ours, known) for name, known in engines.items()},
        "MLlib": partial(theirs, "spark_ml_pipeline", options),
        "MLlib's forest": partial(theirs, "spark_ml_pipeline", [*options, "--model", "forest"]),
        "XGBoost on Dask": partial(theirs, "dask_ml_pipeline", options),
        "scikit-learn": partial(theirs, "sklearn_pipeline", options),
        "ours, each node alone": partial(ours, [*our_options, "--per-node"]),
        "MLlib, each node alone": partial(
            theirs, "spark_ml_pipeline", [*options, "--per-node", str(mappers)]
        ),
    }


def ours(options: Sequence[str], folder: Path) -> Result:
    """Run our own command, and read its report."""
    _, watch = watched(["-m", "master", "classify", *options], folder)
    found: Result = json.loads((folder / "data" / "report.json").read_text())
    return {**found, "cpu_seconds": watch.cpu_s, "peak_mb": watch.peak_mb}


def theirs(script: str, options: Sequence[str], folder: Path) -> Result:
    """Run a script of this folder, which measures itself."""
    stdout, _ = watched([f"{ROOT}/scripts/pipelines/{script}.py", *options, "--json"], folder)
    found: Result = json.loads(stdout.splitlines()[-1])
    return found


def watched(command: Sequence[str], folder: Path) -> tuple[str, Watch]:
    """Run Python with these arguments, and watch it; Unavailable, with its last line, if it fails."""
    pipe, env = subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=folder, env=env, stdout=pipe, stderr=pipe, text=True
    )
    with process, Watch(process.pid) as watch:
        stdout, stderr = process.communicate()
    if process.returncode != 0:
        said = stderr.strip().splitlines() or [f"exit code {process.returncode}"]
        raise Unavailable(said[-1][:200])
    return stdout, watch


def run(contender: Contender) -> Result:
    """Run one, or say why it can't be measured."""
    with tempfile.TemporaryDirectory(prefix="pipelines-") as folder:
        try:
            return contender(Path(folder))
        except Unavailable as reason:
            return {"unavailable": str(reason)}


def report(results: Sequence[Result]) -> Iterator[str]:
    """Yield the lines of the tables, and why some are not in them."""
    found = [result for result in results if "unavailable" not in result]
    whole = [result for result in found if "nodes" not in result]
    yield from table(["", *_COLUMNS], [[one["name"], *map(one.get, _COLUMNS.values())] for one in whole])
    for result in found:
        if "nodes" in result:
            yield from ("", result["name"], "", *table(*node_rows(result)))
    missing: dict[str, list[str]] = {}
    for result in results:
        if "unavailable" in result:
            missing.setdefault(result["unavailable"], []).append(result["name"])
    yield from [""] if missing else []
    yield from (f"Not measured: {', '.join(names)}: {reason}" for reason, names in missing.items())


if __name__ == "__main__":
    main()
