"""Run a command, and print what it found."""

import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from common.errors import UsageError
from common.model import Role
from common.store.folders import DataDir
from master.algorithms import announced_commands, own_commands
from master.algorithms.base import Command, Published
from master.cli.parser import command_line
from master.engines.table import ENGINES
from master.options.groups import MessageOptions, RunConfig
from master.run.runner import run
from master.views.terminal import open_screen

_SHOWN_LINES = 20
_HOW_TO_RUN = {field.name for field in fields(RunConfig)}


def execute(command: Command, messages: MessageOptions, **groups: Any) -> None:
    """Run a command's algorithm with groups of options, each under its name in the command."""
    prepared = command.prepare(**{name: group for name, group in groups.items() if name not in _HOW_TO_RUN})
    config = RunConfig(
        **{name: group for name, group in groups.items() if name in _HOW_TO_RUN},
        labels=prepared.labels,
        given_centroids=prepared.given,
        seed=prepared.seed,
    )
    screen = open_screen(quiet=messages.quiet)
    published = run(config, prepared.algorithm, screen)
    screen.say(_result_lines(published, config))


def _result_lines(published: Published, config: RunConfig) -> list[str]:
    """Say what was found, where to look, and how each file begins."""
    if not published.files:
        return ["", published.summary, f"labels: {config.labels}"]
    data_dir = DataDir(config.output.data_dir)
    places = {data_dir.result(file.name): file.title for file in published.files}
    if config.labels is not None:
        places[config.labels] = "the cluster of each input row"
    if ENGINES[config.workers.engine].writes_files and config.hosts.workers == "local":
        places[data_dir.nodes(Role.MAPPER)] = "M1, M2, ...: map output and partitions"
        places[data_dir.nodes(Role.REDUCER)] = "R1, R2, ...: reduce output"
    places[config.output.dump] = "all events"
    width = max(len(str(path)) for path in places)
    heads = [line for file in published.files for line in _head(data_dir.result(file.name), file.content)]
    return [
        f"\n{published.summary}",
        "\noutput files",
        *(f"  {path!s:<{width}}  {what}" for path, what in places.items()),
        *heads,
    ]


def _head(path: Path, content: bytes) -> list[str]:
    lines = content.decode().splitlines()
    rest = len(lines) - _SHOWN_LINES
    return [f"\n{path}", *lines[:_SHOWN_LINES], *([f"... and {rest} more"] if rest > 0 else [])]


def commands_for(arguments: Sequence[str]) -> list[Command]:
    """Return our commands; and those of other packages, if the first argument names none of ours."""
    ours = own_commands()
    first = next(iter(arguments), "-")
    if first.startswith("-") or first in [command.name for command in ours]:
        return ours
    return [*ours, *announced_commands()]


def main() -> None:
    """Run the command line; a wrong option is one line, as any other error."""
    try:
        command_line(commands_for(sys.argv[1:]), execute).main(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except UsageError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()} (--help lists the options)", err=True)
        sys.exit(error.exit_code)
