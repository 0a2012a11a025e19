"""What every pipeline is asked, and the rows that it may not learn from."""

from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from common.kernels.draws import uniforms

_OPTIONS = [
    click.option("--json", "wanted_json", is_flag=True, help="Print one JSON object."),
    click.option("--seed", type=click.IntRange(0), default=0, help="Of the split."),
    click.option(
        "--test", "share", type=click.FloatRange(0, 1, True, True), default=0.2, help="Share of test rows."
    ),
    click.option("--target", default="Risk_Category", help="Column of the classes."),
    click.option("--input", "path", default="data/input/jobs.csv", help="A CSV file, or a folder of some."),
]


def pipeline(description: str | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command that has the options of all pipelines."""

    def declare(function: Callable[..., None]) -> click.Command:
        with_options: Any = reduce(lambda so_far, option: option(so_far), _OPTIONS, function)
        return click.command(help=description, context_settings={"show_default": True})(with_options)

    return declare


def files_of(path: str) -> list[str]:
    """Return the CSV files of a folder in the order of their names; an address is left to the library."""
    files = sorted(map(str, Path(path).glob("*.csv"))) if Path(path).is_dir() else [path]
    if not files or not ("://" in path or Path(files[0]).is_file()):
        raise click.UsageError(f"--input {path}: there is no such file, nor a folder of CSV files")
    return files


def check_target(target: str, columns: Iterable[str]) -> None:
    """Raise UsageError if there is no such column."""
    if target not in columns:
        raise click.UsageError(f"--target {target}: there is no such column, only {', '.join(columns)}")


def is_test(rows: int, seed: int, share: float) -> npt.NDArray[np.bool_]:
    """Tell for each row, in the order of the input, whether it is a test row.

    It follows from the seed and the row's number alone, so that all pipelines are tested on the same rows,
    however the input is cut.
    """
    return uniforms(seed, 0, 0, rows) < share
