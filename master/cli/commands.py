"""The command line: options, one line for an error, and what is printed at the end."""

import re
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from common.errors import MapReduceError, printable
from common.formats.dataset import read_all
from common.model import FloatType, RecordFormat, Role, TaskOptions
from common.store.folders import DataDir
from master.algorithms.base import Published
from master.algorithms.kmeans.algorithm import KMeansAlgorithm, KMeansPrediction
from master.algorithms.kmeans.config import KMeansConfig
from master.cli.options import FILE, run_options, worker_options
from master.options.groups import ClusterConfig, Hosts, RunConfig, threads_each
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


class _DefaultGroup(click.Group):
    """Takes its first command for meant when none is named, so that its options stand alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_DefaultGroup)
def cli() -> None:
    """K-Means by MapReduce over gRPC."""


@cli.command(help=_RUN_HELP, epilog=_EPILOG, short_help="Cluster a file (when no command is named).")
@worker_options({"required": True}, {"required": True})
@click.option("--k", type=int, required=True, help="Clusters, from 1 to the number of distinct rows.")
@click.option("--iters", type=int, required=True, help="Iterations at most, from 1.")
@click.option(
    "--input",
    "input_name",
    default="data/input/points.txt",
    show_default=True,
    help="Rows of numbers: text (comma, tab, semicolon or white space; header or not), .npy or .parquet; "
    "with --engine spark also hdfs://..., s3a://... and the like.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of every random choice, from 0.")
@click.option(
    "--tol",
    type=float,
    default=1e-4,
    show_default=True,
    help="Stop when no centroid moves farther (Euclidean, unit of the input); 0: when none moves at all.",
)
@click.option(
    "--init",
    type=click.Choice(["random", "k-means++"]),
    default="random",
    show_default=True,
    help="Start from random rows, or from rows spread out by k-means++ (the scalable one, k-means||).",
)
@click.option("--init-centroids", type=FILE, metavar="FILE", help="Start from these: one centroid a row.")
@click.option(
    "--n-init", type=int, default=1, show_default=True, help="Starts to try, from 1; the least inertia wins."
)
@click.option(
    "--on-empty",
    type=click.Choice(["farthest", "keep"]),
    default="farthest",
    show_default=True,
    help="A cluster without members takes the point farthest from its centroid, or keeps its centroid.",
)
@click.option(
    "--combine", is_flag=True, help="Mappers merge the points of a cluster; same result, smaller files."
)
@click.option(
    "--labels", type=FILE, metavar="FILE", help="Write each row's cluster, one a line, in input order."
)
@click.option(
    "--fail-rate",
    type=float,
    default=0.0,
    show_default=True,
    help="Probability, below 1, that a map or reduce call answers FAILURE (to try re-runs); 0: never.",
)
@click.option(
    "--task-delay",
    type=float,
    default=0.0,
    show_default=True,
    metavar="SECONDS",
    help="Wait before each task's work, so that a person can kill a process in time; 0: don't.",
)
@click.option(
    "--intermediate",
    type=click.Choice([kind.value for kind in RecordFormat]),
    default=RecordFormat.TEXT.value,
    show_default=True,
    help="What map output, partitions and reduce output are written as; arrow (Arrow IPC files) is faster.",
)
@click.option(
    "--keep-iterations", is_flag=True, help="Keep the workers' files of every iteration, not the newest only."
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on after the last iteration of a run that was ended early, in the same --data-dir.",
)
@run_options
def run(
    k: int,
    iters: int,
    input_name: str,
    seed: int,
    tol: float,
    init: Any,
    init_centroids: Path | None,
    n_init: int,
    on_empty: Any,
    combine: bool,
    labels: Path | None,
    fail_rate: float,
    task_delay: float,
    intermediate: Any,
    keep_iterations: bool,
    resume: bool,
    mappers: int,
    reducers: int,
    columns: str | None,
    dtype: str,
    data_dir: Path,
    dump: Path,
    engine: Any,
    spark_master: str | None,
    spark_conf: tuple[str, ...],
    dask_scheduler: str | None,
    threads: int,
    splits: int,
    listen: str | None,
    workers: Any,
    certs: Path | None,
    data_root: Path,
    quiet: bool,
    debug: bool,
) -> None:
    """Cluster a file."""

    def work() -> None:
        initial = None if init_centroids is None else read_all(init_centroids)
        screen = open_screen(quiet=quiet)
        kmeans = KMeansConfig(k, iters, tol, init, initial, n_init, on_empty, seed)
        options = TaskOptions(
            *(combine, keep_iterations, task_delay, fail_rate, seed, RecordFormat(intermediate)),
            threads_each(threads, mappers, engine, workers),
        )
        config = RunConfig(
            *(mappers, reducers, Path(input_name), columns, data_dir, dump, labels, engine),
            given_centroids=init_centroids,
            dtype=FloatType(dtype),
            tasks=options,
            resume=resume,
            hosts=Hosts(splits, listen, workers, certs, data_root),
            cluster=ClusterConfig(spark_master, spark_conf, dask_scheduler),
            uri=_uri(input_name),
        )
        published = run_algorithm(config, KMeansAlgorithm(kmeans), screen)
        screen.say(_result_lines(published, config))

    _guarded(work, debug=debug)


@cli.command(help=_PREDICT_HELP, short_help="Label a file by given centroids.")
@worker_options({"default": 2, "show_default": True}, {"default": 1, "show_default": True})
@click.option("--centroids", type=FILE, required=True, metavar="FILE", help="One centroid a row.")
@click.option("--input", "input_name", required=True, help="Rows of numbers, as for a run.")
@click.option(
    "--labels", type=FILE, required=True, metavar="FILE", help="Where each row's cluster goes, one a line."
)
@run_options
def predict(
    centroids: Path,
    input_name: str,
    labels: Path,
    mappers: int,
    reducers: int,
    columns: str | None,
    dtype: str,
    data_dir: Path,
    dump: Path,
    engine: Any,
    spark_master: str | None,
    spark_conf: tuple[str, ...],
    dask_scheduler: str | None,
    threads: int,
    splits: int,
    listen: str | None,
    workers: Any,
    certs: Path | None,
    data_root: Path,
    quiet: bool,
    debug: bool,
) -> None:
    """Label a file by given centroids."""

    def work() -> None:
        config = RunConfig(
            *(mappers, reducers, Path(input_name), columns, data_dir, dump, labels, engine),
            given_centroids=centroids,
            dtype=FloatType(dtype),
            tasks=TaskOptions(threads=threads_each(threads, mappers, engine, workers)),
            hosts=Hosts(splits, listen, workers, certs, data_root),
            cluster=ClusterConfig(spark_master, spark_conf, dask_scheduler),
            uri=_uri(input_name),
        )
        screen = open_screen(quiet=quiet)
        published = run_algorithm(config, KMeansPrediction(read_all(centroids)), screen)
        screen.say(["", published.summary, f"labels: {labels}"])

    _guarded(work, debug=debug)


def _uri(name: str) -> str | None:
    """Tell an address from a file's path."""
    return name if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) else None


def _result_lines(published: Published, config: RunConfig) -> list[str]:
    """Say what was found, where to look, and how each file begins."""
    data_dir = DataDir(config.data_dir)
    places = {data_dir.result(file.name): file.title for file in published.files}
    if config.labels is not None:
        places[config.labels] = "the cluster of each input row"
    if config.engine == "grpc" and config.hosts.workers == "local":
        places[data_dir.nodes(Role.MAPPER)] = "M1, M2, ...: map output and partitions"
        places[data_dir.nodes(Role.REDUCER)] = "R1, R2, ...: reduce output"
    places[config.dump] = "everything that happened"
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


def _guarded(work: Callable[[], None], *, debug: bool) -> None:
    """Do the work; end the process with one line and the error's exit code if it fails."""
    try:
        work()
        # The work is done: a signal that comes now is too late to change anything.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
    except Exception as error:
        if debug:
            traceback.print_exc()
        known = isinstance(error, MapReduceError)
        text = str(error) if known else f"unexpected {type(error).__name__}: {error} (--debug shows where)"
        click.echo(f"Error: {printable(text)}", err=True)
        sys.exit(error.exit_code if isinstance(error, MapReduceError) else 1)


def main() -> None:
    """Run the command line; a wrong option is one line, as any other error."""
    try:
        cli.main(prog_name="python -m master", standalone_mode=False)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"Error: {error.format_message()} (--help lists the options)", err=True)
        sys.exit(error.exit_code)
