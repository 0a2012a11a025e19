"""Measure classification: ours beside Spark's MLlib and scikit-learn, on the same table, in pairs.

Every classifier is a process that stays, warm, with the rows in memory; ours has two mappers, the others two
threads. One after the other fits: ours and another, alternating. Each pair gives a ratio of wall time and one
of processor time, which other programs on the machine disturb less; the medians count. Writes
classification.json and classification.md. A quick try:

    python -m scripts.bench.classification --rows 20000 --repeats 1
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from scripts.bench import quiet, report
from scripts.bench.measure import Unavailable, environment
from scripts.bench.quiet import adopt_orphans
from scripts.bench.tables import LEVELS, NUMBERS, write_table

OURS = "ours"
_ALL = "numbers and categories"
TARGETS: Mapping[str, Mapping[str, float]] = {
    _ALL: {"MLlib": 4.0, "lbfgs": 2.0, "lbfgs, tol 1e-10": 5.0, "newton-cholesky": 5.0},
    "numbers alone": {"lbfgs": 1 / 1.5},
}
"""How many times as fast as each other classifier ours should be, at least, on each choice of columns."""
_MAPPER_MB, _MAPPER_BYTES_A_ROW = 200, 100
_MEMORY = ("anonymous_mb", "file_mb", "peak_mb")
_PACKAGES = {"MLlib": "pyspark"}


@dataclass(frozen=True)
class Pair:
    """A fit of ours and one of another, one after the other."""

    ours: Mapping[str, float]
    other: Mapping[str, float]
    others_share: float  # the share of all cores' time that other programs took meanwhile

    def ratio(self, what: str) -> float:
        """Return how many times what ours took the other one took."""
        return self.other[what] / self.ours[what]


@dataclass(frozen=True)
class Comparison:
    """Ours and another classifier on some columns."""

    columns: str
    other: str
    pairs: Sequence[Pair]
    difference: float  # the largest of two weights

    def ratio(self, what: str) -> float:
        """Return the median ratio."""
        return median(pair.ratio(what) for pair in self.pairs)

    def median(self, who: str, what: str) -> float:
        """Return the median of what `ours` or the `other` took."""
        return median((pair.ours if who == OURS else pair.other)[what] for pair in self.pairs)


@dataclass
class Results:
    """What has been measured so far."""

    about: Mapping[str, Any]
    rows: int
    comparisons: list[Comparison] = field(default_factory=list)
    first_fits: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # of ours, by columns
    skipped: dict[str, str] = field(default_factory=dict)


class Classifier:
    """A process of `scripts.bench.classifiers`; `first` is what its warm-up took, and found."""

    def __init__(self, process: "subprocess.Popen[str]", weights: Path) -> None:
        self._process, self._weights = process, weights
        self.first: Mapping[str, Any] = self._answer()

    def fit(self) -> Mapping[str, float]:
        """Have it fit once more."""
        assert self._process.stdin
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._answer()

    @property
    def weights(self) -> "np.ndarray[Any, np.dtype[np.float64]]":
        """The weights that its last fit found."""
        found: np.ndarray[Any, np.dtype[np.float64]] = np.load(self._weights)
        return found

    def _answer(self) -> Mapping[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise Unavailable(f"it ended with exit code {self._process.wait()}")
        answer: Mapping[str, Any] = json.loads(line)
        return answer


@contextmanager
def started(name: str, table: Path, rows: int, columns: str, folder: Path) -> Iterator[Classifier]:
    """Start a classifier, and end it in any case; Unavailable if it can't be started."""
    package = _PACKAGES.get(name, "sklearn")
    if find_spec(package) is None:
        raise Unavailable(f"{package} is not installed")
    weights = folder / f"{name}.npy"
    arguments = [name, table, rows, columns == _ALL, weights]
    command = [sys.executable, "-m", "scripts.bench.classifiers", *map(str, arguments)]
    with (
        (folder / f"{name}.err").open("w") as errors,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=folder,
            env=environment(),
            text=True,
        ) as process,
    ):
        try:
            yield Classifier(process, weights)
        finally:
            assert process.stdin
            process.stdin.close()


def compare(ours: Classifier, other: Classifier, repeats: int) -> tuple[list[Pair], float]:
    """Alternate; return the pairs, and how far the weights of the two differ at most."""
    found = quiet.rounds(repeats, lambda: quiet.measured(lambda: (ours.fit(), other.fit())))
    pairs = [Pair(*each.result, each.load) for each in found]
    return pairs, float(np.abs(ours.weights - other.weights).max())


def measure(results: Results, columns: str, others: Sequence[str], table: Path, repeats: int) -> None:
    """Measure ours beside each of the others on some columns; each ends before the next starts."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        start = (table, results.rows, columns, Path(folder))
        ours = stack.enter_context(started(OURS, *start))
        results.first_fits[columns] = ours.first
        for name in others:
            try:
                with started(name, *start) as other:
                    results.comparisons.append(Comparison(columns, name, *compare(ours, other, repeats)))
            except Unavailable as reason:
                results.skipped[f"{name}, {columns}"] = str(reason)


def as_json(results: Results) -> str:
    """Return all that was measured, with the ratios that the tables show."""
    found = asdict(results)
    for each, comparison in zip(found["comparisons"], results.comparisons, strict=True):
        each["ratios"] = {what: comparison.ratio(what) for what in ("seconds", "cpu_s")}
    return json.dumps(found, indent=1) + "\n"


_PAGE = """\
# Benchmark of classification

`{command}`, {date}. {rows:,} rows: {numbers} numbers, and columns of {levels} categories; 3 classes.
Ours and another fit in turn; medians of {repeats} pairs. All are warm: rows are in memory, numbers are
standardised, categories encoded. Ours with {threads} mappers of one thread, others {threads} threads;
{cores} × {processor}, {memory_gib} GiB, {system};
{versions}.

{loads}
Wall time suffers from other programs; CPU time, of all processes of a fit, suffers less.

MLlib and lbfgs stop early, at their defaults. With a tolerance of 1e-10 lbfgs ends where rounding stops it.
newton-cholesky alone is as accurate as ours: both are within 1e-6 of the best weights.

## How many times as fast ours is

| columns | than | target | by wall time | by CPU time | iterations, ours | theirs | weights differ by |
|---|---|---|---|---|---|---|---|
{ratios}

## Memory of a mapper

The target is {mb} MB and {row_bytes} bytes for each of its rows, anonymous. What is mapped from files, the
libraries and the parsed rows, the system may drop at any time.

| columns | rows | target, MB | anonymous, at most | from files, at most | VmHWM |
|---|---|---|---|---|---|
{memory}
"""


def as_markdown(results: Results) -> str:
    """Return the medians as tables."""
    about = dict(results.about)
    loads = [pair.others_share for each in results.comparisons for pair in each.pairs]
    versions = ", ".join(f"{name} {version}" for name, version in about.pop("versions").items())
    text = _PAGE.format(
        **about,
        **about["machine"],
        rows=results.rows,
        numbers=NUMBERS,
        levels=", ".join(map(str, LEVELS.values())),
        versions=versions,
        loads="\n".join(report.say_loads(loads)),
        mb=_MAPPER_MB,
        row_bytes=_MAPPER_BYTES_A_ROW,
        ratios="\n".join(map(_ratios, results.comparisons)),
        memory="\n".join(_memory(*first, results.rows) for first in results.first_fits.items()),
    )
    skipped = [f"- {name}: {reason}\n" for name, reason in results.skipped.items()]
    return text + "".join(["\n## Not measured\n\n", *skipped] if skipped else [])


def _ratios(found: Comparison) -> str:
    ratios = [f"{value:.2f}" for value in (found.ratio("seconds"), found.ratio("cpu_s"))]
    iterations = [f"{found.median(who, 'iterations'):.0f}" for who in ("ours", "other")]
    target = f"{TARGETS[found.columns][found.other]:.2f}"
    cells = [found.columns, found.other, target, *ratios, *iterations, f"{found.difference:.0e}"]
    return f"| {' | '.join(cells)} |"


def _memory(columns: str, first: Mapping[str, Any], all_rows: int) -> str:
    """Return a row: of several mappers, the one that used most."""
    rows = all_rows // len(first["mappers"])
    target = _MAPPER_MB + rows * _MAPPER_BYTES_A_ROW / 1e6
    most = [max(seen[what] for seen in first["mappers"].values()) for what in _MEMORY]
    return f"| {columns} | {rows:,} | {' | '.join(f'{mb:.0f}' for mb in (target, *most))} |"


@click.command(help=__doc__, context_settings={"show_default": True})
@click.option("--rows", type=click.IntRange(1000), default=1_000_000)
@click.option("--repeats", type=click.IntRange(1), default=5, help="Pairs of fits of each two classifiers.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Of the table.")
@click.option("--only", multiple=True, metavar="NAME", help="Only these others; may be repeated.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default="build/bench", help="Folder."
)
def main(rows: int, repeats: int, seed: int, only: tuple[str, ...], out: Path) -> None:
    """Measure; results are written after each choice of columns."""
    about = report.about(sys.argv[1:], repeats, seed, 1.0)
    about["command"] = about["command"].replace("make bench", "make bench-classification")
    adopt_orphans()
    results = Results(about, rows)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        table = Path(folder) / "table.parquet"
        write_table(table, rows, seed)
        for columns, targets in TARGETS.items():
            measure(results, columns, [name for name in targets if not only or name in only], table, repeats)
            (out / "classification.json").write_text(as_json(results))
            (out / "classification.md").write_text(as_markdown(results))
    click.echo(as_markdown(results))


if __name__ == "__main__":
    main()
