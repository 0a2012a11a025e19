"""The command line: click commands made of groups of options, and what a command does and prints.

A group is a dataclass whose fields declare options (see `master.options.declare`). Only this module knows how
such a field becomes an option of click's; it puts the values back by the fields' names.
"""

import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, redirect_stdout
from dataclasses import MISSING, fields
from enum import Enum, StrEnum
from functools import partial
from itertools import groupby
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TextIO, get_args, get_origin

import click
from click_option_group import OptionGroup

from common import __version__
from common.errors import MapReduceError, UsageError, printable, refusals_in_one_line
from common.model import Role
from common.store.files import is_standard_output
from common.store.folders import DataDir
from master.algorithms import announced_commands, own_commands
from master.algorithms.base import MOST_SAMPLED_ROWS, Command, Prepared, Published
from master.cli.arguments import Commands, DefaultGroup, OneCommand
from master.cli.certs import certs
from master.cli.guide import commands_in_words
from master.cli.lessons import LESSONS
from master.cli.pages import report, served, ui, write_views
from master.cli.preview import preview
from master.cli.summary import print_summary
from master.engines.table import ENGINES, check_options
from master.options.declare import DeclaredOption, EngineName, declared_options
from master.options.groups import OutputOptions, RunConfig
from master.options.messages import MessageOptions
from master.run.runner import run
from master.views.terminal import Screen, WarningScreen, open_screen

_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 1000}  # as wide as the terminal
_SHOWN_LINES = 20
_OTHERS: tuple[click.Command, ...] = (certs, report, ui, *LESSONS)
"""The commands that run no algorithm."""
_HOW_TO_RUN = {field.name for field in fields(RunConfig)}


def command_line(commands: Sequence[Command], execute: Callable[..., None]) -> click.Group:
    """Make the command line; the engines to choose from are those now in the table.

    `execute` gets the command, its groups by their names, and `messages`.
    """
    whole = Commands(
        help="K-Means, classification and word count by MapReduce over gRPC.", context_settings=_SETTINGS
    )
    for name, ours in groupby(commands, lambda command: command.name.split()[0]):
        made = [_click_command(command, execute) for command in ours]
        whole.add_command(made[0] if len(made) == 1 else _group(name, made))
    for other in _OTHERS:
        whole.add_command(other)
    whole.add_command(click.Command("help", callback=partial(_list, whole), short_help="List the commands."))
    return whole


def _list(whole: click.Group) -> None:
    click.echo(commands_in_words(whole.commands))


def _group(name: str, commands: Sequence[click.Command]) -> click.Group:
    """Return a group of commands, the first of which need not be named."""
    return DefaultGroup(name, commands, help=commands[0].help, short_help=commands[0].short_help)


def _click_command(command: Command, execute: Callable[..., None]) -> click.Command:
    groups = {**command.groups, "messages": MessageOptions}

    def callback(**values: Any) -> None:
        with _guarded(debug=values["debug"]):
            execute(command, **{name: _made(group, values) for name, group in groups.items()})

    click.version_option(__version__, prog_name="kmeans-mapreduce")(callback)
    for title, options in reversed(_by_title(groups.values()).items()):
        section = OptionGroup(title)
        for each in reversed(options):
            section.option(each.name, each.field, **_attributes(each))(callback)
    decorate = click.command(
        command.name.split()[-1],
        OneCommand,
        help=command.help,
        short_help=command.summary,
        epilog=command.epilog,
    )
    return decorate(callback)


def _by_title(groups: Iterable[Any]) -> dict[str, list[DeclaredOption]]:
    """Return the options of each section of the help; groups of one title share a section."""
    sections: dict[str, list[DeclaredOption]] = {}
    for group in groups:
        sections.setdefault(group.title, []).extend(declared_options(group))
    return sections


def _made(group: Any, values: Mapping[str, Any]) -> Any:
    made = group if isinstance(group, type) else type(group)
    return made(**{each.field: values[each.field] for each in declared_options(group)})


def _attributes(declared: DeclaredOption) -> dict[str, Any]:
    default = declared.default
    known: dict[str, Any] = {"help": declared.text, "metavar": declared.metavar}
    if default is MISSING:
        known["required"] = True
    elif default is not None and default != ():
        shown = not isinstance(default, bool)
        known |= {"default": default.value if isinstance(default, Enum) else default, "show_default": shown}
    return known | _type_attributes(declared.kind, declared.text)


def _type_attributes(kind: Any, help_text: str) -> dict[str, Any]:
    if get_origin(kind) is UnionType:
        (kind,) = [member for member in get_args(kind) if member is not type(None)]
    if kind is bool:
        return {"is_flag": True}
    if kind is Path:
        return {"type": click.Path(path_type=Path)}
    if kind is EngineName:
        rows = " ".join(f"{name}: {row.help}." for name, row in ENGINES.items())
        return {"type": click.Choice(list(ENGINES)), "help": f"{help_text} {rows}"}
    if get_origin(kind) is Literal:
        return {"type": click.Choice(get_args(kind))}
    if get_origin(kind) is tuple:
        return {"multiple": True}
    if issubclass(kind, StrEnum):
        values = [member.value for member in kind]
        return {"type": click.Choice(values), "callback": lambda _context, _option, value: kind(value)}
    return {"type": kind}


@contextmanager
def _guarded(*, debug: bool) -> Iterator[None]:
    """End the process with one line and the error's exit code if the work fails."""
    try:
        with refusals_in_one_line():
            yield
        # The work is done: a signal that comes now is too late to change anything.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
    except Exception as error:
        if debug:
            traceback.print_exc()
        known = isinstance(error, MapReduceError)
        text = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        click.echo(f"Error: {printable(text)}", err=True)
        sys.exit(error.exit_code if isinstance(error, MapReduceError) else 1)


def execute(command: Command, messages: MessageOptions, **groups: Any) -> None:
    """Run a command's algorithm with groups of options, each under its name in the command."""
    prepared = command.prepare(**{name: group for name, group in groups.items() if name not in _HOW_TO_RUN})
    how_to_run = {name: group for name, group in groups.items() if name in _HOW_TO_RUN}
    if prepared.input is not None:
        how_to_run["input"] = prepared.input
    config = RunConfig(
        **how_to_run,
        labels=prepared.labels,
        given=prepared.given,
        seed=prepared.seed,
        choice=prepared.choice,
        written=prepared.written,
        sample=_sample(prepared, messages, groups["output"]),
        command=command.name,
    )
    if messages.dry_run:
        with ExitStack() as stack:
            file = check_options(config).open_input(config, stack)
            screen = open_screen(quiet=False)
            for line in preview(file, config):
                screen.say([line])
            prepared.algorithm.check(file.input)
        return
    with _alone_on_standard_output(config, messages) as out:
        screen = WarningScreen() if messages.quiet else open_screen(quiet=False)
        output = config.output
        with (
            closing(screen),
            served(output.dump, asked=messages.ui),
            write_views(output.dump, output.report, output.trace),
        ):
            screen.begin(f"reading {config.input.input}")
            run(config, prepared.algorithm, screen, partial(_tell, screen, config, out))


@contextmanager
def _alone_on_standard_output(config: RunConfig, messages: MessageOptions) -> Iterator[TextIO | None]:
    """Keep standard output for labels or a summary, if these go there; yield it for a summary."""
    labels, out = is_standard_output(config.labels), sys.stdout
    if messages.json and (labels or out is None):
        raise UsageError("--json needs standard output for itself; give --labels a file")
    with redirect_stdout(sys.stderr) if labels or messages.json else nullcontext():
        yield out if messages.json else None


def _tell(screen: Screen, config: RunConfig, out: TextIO | None, found: Published) -> None:
    screen.say(_result_lines(found, config))
    if out is not None:
        print_summary(found, config, out)


def _sample(prepared: Prepared, messages: MessageOptions, output: OutputOptions) -> int:
    """Return how many rows the page shows."""
    if prepared.sample is not None:
        return prepared.sample
    return MOST_SAMPLED_ROWS if messages.ui or output.report is not None else 0


def _result_lines(published: Published, config: RunConfig) -> list[str]:
    """Say what was found, where to look, and how each file begins."""
    labels = None if is_standard_output(config.labels) else config.labels
    if not published.files:
        return ["", published.summary, *published.lines, *([] if labels is None else [f"labels: {labels}"])]
    data_dir = DataDir(config.output.data_dir)
    files = {file.path(data_dir.root): file for file in published.files}
    places = {path: file.title for path, file in files.items()}
    if labels is not None and published.labels is not None:
        places[labels] = published.labels.title
    if ENGINES[config.workers.engine].writes_files and config.hosts.workers == "local":
        places[data_dir.nodes(Role.MAPPER)] = "M1, M2, ...: map output and partitions"
        places[data_dir.nodes(Role.REDUCER)] = "R1, R2, ...: reduce output"
    places[config.output.dump] = "all events"
    width = max(len(str(path)) for path in places)
    heads = [line for path, file in files.items() if file.is_shown for line in _head(path, file.content)]
    return [
        f"\n{published.summary}",
        *([""] if published.lines else []),
        *published.lines,
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
    known = {command.name.split()[0] for command in ours} | {other.name for other in _OTHERS}
    if first.startswith("-") or first in known:
        return ours
    return [*ours, *announced_commands()]


def main() -> None:
    """Run the command line; a wrong option is one line, as any other error."""
    try:
        with refusals_in_one_line():  # standard output may refuse help
            command_line(commands_for(sys.argv[1:]), execute).main(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as nothing_typed:
        nothing_typed.show()
        sys.exit(nothing_typed.exit_code)
    except MapReduceError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        click.echo(f"Error: {printable(error.format_message())} (--help lists the options)", err=True)
        sys.exit(error.exit_code)
