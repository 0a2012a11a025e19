"""What a person sees who types no arguments, or asks for the commands: what to type next."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

_SAMPLE = Path("data/input/points.txt")
_MAKE_SAMPLE = r"""printf '0,8\n1,7\n9,1\n8,2\n' > points.txt
  """
_GUIDE = """\
K-Means, classification and word count by MapReduce: a master, mappers and reducers, each of them a process.

A first run:

  {make}{command} --mappers 2 --reducers 2 --k 2 --iters 20 --input {sample}

It puts the rows of the file into 2 clusters, prints each step, and leaves in this folder:

  data/centroids.txt             the centroids, one a line
  data/mappers, data/reducers    the files of each worker
  dump.txt                       all events

Then give a file of your own (--input), and ask for the cluster of each row (--labels labels.txt).

Read on:

{read_on}
"""
_READ_ON = {
    "{command} help": "all commands",
    "{command} --help": "all options of a run",
    "{command} predict --help": "label a file by centroids that you have",
    "{command} classify --help": "learn classes from a table of numbers and texts",
    "{command} wordcount --help": "count the words of a text",
    "{command} explain --row 3": "follow one row through the last run",
    "{command} verify": "check the last run's files by the rules of MapReduce",
    "README.md, docs/USAGE.md": "in the folder of the project",
}


_EXAMPLES = {
    "--iters": "20",
    "--input": "points.csv",
    "--centroids": "data/centroids.txt",
    "--model": "data/model.json",
    "--labels": "labels.txt",
    "--target": "COLUMN",
}


def first_run(command: str) -> str:
    """Show a first run of `command`, on the sample if it is here, and where to read on."""
    make, sample = ("", _SAMPLE) if _SAMPLE.is_file() else (_MAKE_SAMPLE, "points.txt")
    read_on = {page.format(command=command): what for page, what in _READ_ON.items()}
    width = max(map(len, read_on))
    lines = [f"  {page:<{width}}   {what}" for page, what in read_on.items()]
    return _GUIDE.format(make=make, command=command, sample=sample, read_on="\n".join(lines))


def missing_in_words(command: str, typed: Sequence[str], missing: Sequence[click.Parameter]) -> str:
    """Name the options that a command needs besides what was typed, and show what to type."""
    names = [each.opts[0] for each in missing]
    listed = ", ".join(f"'{name}'" for name in names)
    more = [f"{name} {_example(name, each)}" for name, each in zip(names, missing, strict=True)]
    example = " ".join([command, *map(shlex.quote, typed), *more])
    return f"Missing option{'s' if len(names) > 1 else ''} {listed}. For example: {example}"


def _example(name: str, option: click.Parameter) -> str:
    fallback = "2" if option.type is click.INT else option.make_metavar(click.Context(click.Command("")))
    return _EXAMPLES.get(name, fallback)


def commands_in_words(commands: Mapping[str, click.Command]) -> str:
    """List commands, each with what it is for."""
    width = max(map(len, commands))
    lines = [f"  {name:<{width}}  {each.get_short_help_str(200)}" for name, each in commands.items()]
    return "\n".join(["The commands; --help after one lists its options:", "", *lines])
