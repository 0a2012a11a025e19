"""Generate a table of jobs and automation: 18 columns, numbers and words, among them a class of risk.

`python -m scripts.jobs_table --rows 3000 --seed 0 data/input/jobs.csv`

The class follows from the probability of automation, and that from the title, but for the rounding to two
decimals. All other columns are noise. With --files N, PATH is a folder: part-1.csv, part-2.csv and so on hold
the same rows in the same order, each with the header.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click
import numpy as np

_BLOCK_ROWS = 100_000
_TITLES = {
    (5, 30): ["AI Engineer", "Research Scientist", "Nurse", "Teacher", "Doctor"],
    (30, 70): [
        *("Financial Analyst", "Mechanic", "Lawyer", "HR Specialist", "UX Researcher"),
        *("Marketing Manager", "Chef", "Data Scientist", "Software Engineer", "Graphic Designer"),
    ],
    (70, 95): ["Truck Driver", "Customer Support", "Construction Worker", "Security Guard", "Retail Worker"],
}
"""Range of the probability of automation in percent, and the titles that have it."""
_DEGREES = np.array(["High School", "Bachelor's", "Master's", "PhD"], object)
_RISKS = np.array(["Low", "Medium", "High"], object)
_MOST_OF_A_RISK = [30, 70]  # percent of Low and Medium
_FRACTIONS = np.array([f"{percent / 100:.2f}" for percent in range(151)], object)
_SKILLS = [f"Skill_{number}" for number in range(1, 11)]
_HEADER = [
    *("Job_Title", "Average_Salary", "Years_Experience", "Education_Level", "AI_Exposure_Index"),
    *("Tech_Growth_Factor", "Automation_Probability_2030", "Risk_Category", *_SKILLS),
]


@click.command(help=__doc__)
@click.option("--rows", type=click.IntRange(1), default=3000, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--files", type=click.IntRange(1), help="Cut the rows into so many files of a folder.")
@click.argument("path", type=click.Path(path_type=Path))
def main(rows: int, seed: int, files: int | None, path: Path) -> None:
    """Write the file, or the files, block by block."""
    lines = _rows(rows, np.random.default_rng(seed))
    if files is None:
        return _write(path, lines)
    path.mkdir(parents=True, exist_ok=True)
    for i in range(files):
        _write(
            path / f"part-{i + 1:0{len(str(files))}}.csv",
            islice(lines, rows * (i + 1) // files - rows * i // files),
        )


def _write(path: Path, lines: Iterable[tuple[Any, ...]]) -> None:
    with path.open("w", encoding="ascii", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([_HEADER])
        csv.writer(file, lineterminator="\n").writerows(lines)


def _rows(rows: int, rng: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    for start in range(0, rows, _BLOCK_ROWS):
        yield from zip(*_columns(min(_BLOCK_ROWS, rows - start), rng), strict=True)


def _columns(n: int, rng: np.random.Generator) -> Iterator[Any]:
    """Yield the columns of n rows, in order."""
    titles = np.array([title for some in _TITLES.values() for title in some], object)
    least, most = np.array([ends for ends, some in _TITLES.items() for _ in some]).T
    title = rng.integers(len(titles), size=n)
    yield titles[title]
    yield rng.integers(30_000, 150_000, size=n)
    yield rng.integers(30, size=n)
    yield _DEGREES[rng.integers(len(_DEGREES), size=n)]
    yield _fractions(rng.uniform(0, 100, n))
    yield _fractions(rng.uniform(50, 150, n))
    automation = rng.uniform(least[title], most[title])
    yield _fractions(automation)
    yield _RISKS[np.searchsorted(_MOST_OF_A_RISK, np.rint(automation))]
    for _ in _SKILLS:
        yield _fractions(rng.uniform(0, 100, n))


def _fractions(percents: Any) -> Any:
    return _FRACTIONS[np.rint(percents).astype(int)]


if __name__ == "__main__":
    main()
