"""What a workload is run with, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.bench.measure import Series

THREADS = 2
"""Threads of each library; ours has as many mappers, of one thread each."""


@dataclass(frozen=True)
class Bench:
    """The settings of a run.

    Parameters
    ----------
    folder
        For data and what the contenders write; removed afterwards.
    repeats
        Timed runs of each contender.
    seed
        Of the data and the starts.
    scale
        Factor of the numbers of rows.
    kinds
        Of the data of the fits.
    iterations
        Of the fits, at most.
    """

    folder: Path
    repeats: int
    seed: int
    scale: float
    kinds: tuple[str, ...]
    iterations: int = 30

    def rows(self, rows: int, at_least: int) -> int:
        """Return the scaled number of rows, enough for that many clusters."""
        return max(round(rows * self.scale), 10 * at_least)


@dataclass(frozen=True)
class Ratio:
    """Two things of one kind, and how the first compares with the second."""

    what: str
    value: float


@dataclass(frozen=True)
class Outcome:
    """What one workload gave.

    Parameters
    ----------
    name, group, title
        The group's outcomes share a table.
    setting
        Rows, columns and so on; what a table's or a curve's point is labelled by.
    series
        The times of each contender.
    skipped
        Contenders that weren't measured, and why.
    ratios
        To show.
    facts
        Checks and constants, by name.
    """

    name: str
    group: str
    title: str
    setting: Mapping[str, object]
    series: Mapping[str, Series] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    ratios: tuple[Ratio, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


def time_ratio(series: Mapping[str, Series], one: str, other: str, what: str | None = None) -> list[Ratio]:
    """Compare two contenders' medians; nothing if one is missing."""
    if one not in series or other not in series:
        return []
    return [Ratio(what or f"{one} ÷ {other}", series[one].median_s / series[other].median_s)]


def detail_ratio(series: Mapping[str, Series], one: str, other: str, detail: str, what: str) -> list[Ratio]:
    """Compare one detail of two contenders; nothing if one is missing."""
    if one not in series or other not in series:
        return []
    return [Ratio(what, series[one].details[detail] / series[other].details[detail])]
