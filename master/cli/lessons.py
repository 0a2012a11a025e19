"""The commands about a finished run: `python -m master verify` and `python -m master explain`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from common.errors import UsageError, refusals_in_one_line
from master.cli.arguments import OneCommand
from master.views.server_log import is_going_on
from master.views.terminal import PlainScreen

if TYPE_CHECKING:
    from master.teaching.finished import FinishedRun


def _of_last_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where a run has left its files."""
    path = click.Path(path_type=Path)
    dump = click.option("--dump", default="dump.txt", type=path, help="The run's log.  [dump.txt]")
    return click.option("--data-dir", default="data", type=path, help="The run's folder.  [data]")(
        dump(command)
    )


@click.command(
    help="Hold the files of the last K-Means run to the rules of MapReduce, and print what was checked.\n\n"
    "Exit code 0: all rules hold; 1: one is broken; 2: there is nothing to verify.",
    short_help="Check the files of the last run by the rules.",
)
@_of_last_run
def verify(data_dir: Path, dump: Path) -> None:
    """Print a table of the rules."""
    from master.teaching.verify import table  # only here: other commands need not wait for it
    from master.teaching.verify import verify as verdicts_of

    verdicts = _read(data_dir, dump, verdicts_of)
    PlainScreen().say(list(table(verdicts)))
    if any(each.faults for each in verdicts):
        sys.exit(1)


@click.command(
    cls=OneCommand,
    help="Follow one row of the input through the last K-Means run: map, partition, shuffle, reduce.",
    short_help="Follow one row through the last run.",
)
@click.option("--row", required=True, type=int, help="Which row of the input, from 1.")
@_of_last_run
def explain(row: int, data_dir: Path, dump: Path) -> None:
    """Print the way of a row."""
    from master.teaching.explain import explain as way_of

    PlainScreen().say(_read(data_dir, dump, lambda run: list(way_of(run, row))))


def _read(data_dir: Path, dump: Path, look: "Callable[[FinishedRun], Any]") -> Any:
    from master.teaching.finished import open_finished

    with refusals_in_one_line():
        if is_going_on(dump):
            raise UsageError(f"the run in {dump} is still going on; wait until it has ended")
        return look(open_finished(dump, data_dir))


LESSONS: tuple[click.Command, ...] = (verify, explain)
