"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from common import __version__
from common.model import FloatType
from master.options.groups import EngineName

_Command = TypeVar("_Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)


def _add(options: list[Callable[[_Command], _Command]]) -> Callable[[_Command], _Command]:
    """Add options to a command, in this order."""

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def worker_options(mappers: dict[str, Any], reducers: dict[str, Any]) -> Callable[[_Command], _Command]:
    """Add --mappers and --reducers, each with more attributes."""
    return _add(
        [
            click.option(
                "--mappers",
                type=int,
                help="Mapper processes, from 1; each maps one split of the rows.",
                **mappers,
            ),
            click.option(
                "--reducers", type=int, help="Reducer processes, from 1; key % R chooses one.", **reducers
            ),
        ]
    )


run_options = _add(
    [
        click.option(
            "--columns",
            metavar="LIST",
            help="Columns to use, by name or by position from 1: 'x,y' or '1,3-5'.  [default: all]",
        ),
        click.option(
            "--dtype",
            type=click.Choice([kind.value for kind in FloatType]),
            default=FloatType.FLOAT64.value,
            show_default=True,
            help="Round the input's numbers to this and keep them so; sums and centroids are float64 anyway.",
        ),
        click.option(
            "--data-dir",
            type=FILE,
            default="data",
            show_default=True,
            help="Folder for centroids.txt and the workers' folders; those of an earlier run are replaced.",
        ),
        click.option(
            "--dump",
            type=FILE,
            default="dump.txt",
            show_default=True,
            help="Log of everything that happens.",
        ),
        click.option(
            "--engine",
            type=click.Choice(get_args(EngineName)),
            default="grpc",
            show_default=True,
            help="grpc: mapper and reducer processes. inline: this process alone, for comparison. "
            "spark, dask: M map tasks and R reduce tasks on such a cluster.",
        ),
        click.option(
            "--spark-master",
            metavar="URL",
            help="spark://host:port, local[2], yarn, ...  [default: Spark's own configuration, or local[*]]",
        ),
        click.option(
            "--conf",
            "spark_conf",
            multiple=True,
            metavar="NAME=VALUE",
            help="A setting of Spark's; may be repeated.",
        ),
        click.option(
            "--dask-scheduler",
            metavar="URL",
            help="tcp://host:port or tls://host:port.  [default: M worker processes here]",
        ),
        click.option(
            "--threads",
            type=int,
            default=0,
            show_default=True,
            help="Threads of each mapper, for many rows; 0: the cores, shared among the mappers.",
        ),
        click.option(
            "--splits",
            type=int,
            default=0,
            show_default=True,
            help="Map tasks, each a split of the rows; 0: one a mapper. More let fast mappers do more.",
        ),
        click.option(
            "--listen",
            metavar="ADDRESS:PORT",
            help="Let workers join from other hosts: python -m mapper --join ADDRESS:PORT. Needs --certs.",
        ),
        click.option(
            "--workers",
            type=click.Choice(["local", "remote"]),
            default="local",
            show_default=True,
            help="local: start them here; others may join. remote: start none, wait until all have joined.",
        ),
        click.option(
            "--certs",
            type=FILE,
            metavar="FOLDER",
            help="Certificates and secret, made by: python -m scripts.certs",
        ),
        click.option(
            "--data-root",
            type=FILE,
            default=".",
            show_default=True,
            help="With --listen: every host has the input at the same place below its own data root.",
        ),
        click.option("--quiet", is_flag=True, help="Print nothing but errors."),
        click.option("--debug", is_flag=True, help="On an error, print the whole traceback."),
        click.version_option(__version__, prog_name="kmeans-mapreduce"),
    ]
)
"""Those that a run and a prediction share."""
