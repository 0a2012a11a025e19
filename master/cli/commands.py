"""The commands, and what they print at the end."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import click

from common.formats.dataset import read_all
from common.model import Role
from common.store.folders import DataDir
from master.algorithms.base import Published
from master.algorithms.kmeans.algorithm import KMeansAlgorithm, KMeansPrediction
from master.algorithms.kmeans.config import KMeansConfig
from master.cli.parser import Command, command_line
from master.engines.table import ENGINES
from master.options.config import RunConfig
from master.options.declare import option, required
from master.options.groups import (
    ClusterOptions,
    FailureOptions,
    FileOptions,
    HostOptions,
    InputOptions,
    MessageOptions,
    OutputOptions,
    WorkerOptions,
)
from master.run.runner import run as run_algorithm
from master.views.terminal import open_screen

_SHOWN_LINES = 20

_RUN_HELP = """Cluster the rows of a file by K-Means, on mapper and reducer processes.

\b
Example:
  python -m master --mappers 2 --reducers 2 --k 2 --iters 10
"""

_PREDICT_HELP = """Write the index of the nearest centroid of each row, on mapper processes.

\b
Example:
  python -m master predict --centroids data/centroids.txt --input new.csv --labels labels.txt
"""

_EPILOG = """\b
Another command:
  python -m master predict --help    label a file by centroids that you have
"""


@dataclass(frozen=True)
class LabelOptions:
    """Where a run writes labels."""

    title: ClassVar[str] = "Output"

    labels: Path | None = option(
        None, "Write each row's cluster, one a line, in input order.", metavar="FILE"
    )


@dataclass(frozen=True)
class PredictionOptions:
    """What a prediction reads and writes."""

    title: ClassVar[str] = "Labelling"

    centroids: Path = required("One centroid a row.", metavar="FILE")
    labels: Path = required("Where each row's cluster goes, one a line.", metavar="FILE")


def run(clustering: KMeansConfig, labelling: LabelOptions, messages: MessageOptions, **groups: Any) -> None:
    """Cluster a file."""
    start = clustering.init_centroids
    if start is not None:
        clustering = replace(clustering, initial=read_all(start))
    config = RunConfig(**groups, labels=labelling.labels, given_centroids=start, seed=clustering.seed)
    screen = open_screen(quiet=messages.quiet)
    published = run_algorithm(config, KMeansAlgorithm(clustering), screen)
    screen.say(_result_lines(published, config))


def predict(prediction: PredictionOptions, messages: MessageOptions, **groups: Any) -> None:
    """Label a file by given centroids."""
    config = RunConfig(**groups, labels=prediction.labels, given_centroids=prediction.centroids)
    screen = open_screen(quiet=messages.quiet)
    published = run_algorithm(config, KMeansPrediction(read_all(prediction.centroids)), screen)
    screen.say(["", published.summary, f"labels: {prediction.labels}"])


COMMANDS = (
    Command(
        name="run",
        function=run,
        groups={
            "clustering": KMeansConfig,
            "input": InputOptions("data/input/points.txt"),
            "labelling": LabelOptions,
            "output": OutputOptions,
            "files": FileOptions,
            "workers": WorkerOptions,
            "hosts": HostOptions,
            "cluster": ClusterOptions,
            "failures": FailureOptions,
        },
        help=_RUN_HELP,
        summary="Cluster a file (when no command is named).",
        epilog=_EPILOG,
    ),
    Command(
        name="predict",
        function=predict,
        groups={
            "prediction": PredictionOptions,
            "input": InputOptions,
            "output": OutputOptions,
            "workers": WorkerOptions(mappers=2, reducers=1),
            "hosts": HostOptions,
            "cluster": ClusterOptions,
        },
        help=_PREDICT_HELP,
        summary="Label a file by given centroids.",
    ),
)


def _result_lines(published: Published, config: RunConfig) -> list[str]:
    """Say what was found, where to look, and how each file begins."""
    data_dir = DataDir(config.output.data_dir)
    places = {data_dir.result(file.name): file.title for file in published.files}
    if config.labels is not None:
        places[config.labels] = "the cluster of each input row"
    if ENGINES[config.workers.engine].writes_files and config.hosts.workers == "local":
        places[data_dir.nodes(Role.MAPPER)] = "M1, M2, ...: map output and partitions"
        places[data_dir.nodes(Role.REDUCER)] = "R1, R2, ...: reduce output"
    places[config.output.dump] = "everything that happened"
    width = max(len(str(path)) for path in places)
    heads = [line for file in published.files for line in _head(data_dir.result(file.name), file.content)]
    return [
        f"\n{published.summary}",
        "\nwhere to look",
        *(f"  {path!s:<{width}}  {what}" for path, what in places.items()),
        *heads,
    ]


def _head(path: Path, content: bytes) -> list[str]:
    lines = content.decode().splitlines()
    rest = len(lines) - _SHOWN_LINES
    return [f"\n{path}", *lines[:_SHOWN_LINES], *([f"... and {rest} more"] if rest > 0 else [])]


def main() -> None:
    """Run the command line; a wrong option is one line, as any other error."""
    try:
        command_line(COMMANDS).main(standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()} (--help lists the options)", err=True)
        sys.exit(error.exit_code)
