"""The options that commands share, in groups, and the configuration of a run that they make up.

A group that is made of values out of bounds, or that contradict each other, raises UsageError.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Literal

from common.errors import UsageError
from common.formats.columns import ALL_COLUMNS, ColumnChoice
from common.model import FloatType, PointArray, RecordFormat, TaskOptions
from common.rpc.address import WILDCARDS, split_address
from common.rpc.credentials import HOW_TO_MAKE
from master.options.declare import EngineName, at_least, at_most, option, required
from master.options.text_files import TextFileOptions

_LONGEST_DELAY_S = 600
_MOST_WORKERS = 1 << 14
"""Each reducer is a partition file of each mapper, and each worker a process or a task."""
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class InputOptions:
    """What is read: rows of numbers, or, in a subclass, lines of text."""

    title: ClassVar[str] = "Input"
    reads_lines: ClassVar[bool] = False

    input: str = required(
        "Rows of numbers: text (comma, tab, semicolon or white space; header or not), NumPy, Parquet or "
        "Arrow; a file, a folder of files or a pattern ('day-*.csv'); with --engine spark also hdfs://..., "
        "s3a://... and the like."
    )
    columns: str | None = option(
        None,
        "Columns to use, by name or by position from 1: 'x,y' or '1,3-5'.  [default: all]",
        metavar="LIST",
    )
    dtype: FloatType = option(
        FloatType.FLOAT64,
        "Round the input's numbers to this type and keep them in it; sums and centroids are always float64.",
    )
    rows: PointArray | None = None
    """What an algorithm has made of the input, if workers can't read it themselves."""

    @property
    def is_address(self) -> bool:
        """Whether it is an address such as hdfs://host/file, not a path."""
        return _ADDRESS.match(self.input) is not None


@dataclass(frozen=True)
class OutputOptions:
    """Where a run writes what every run leaves."""

    title: ClassVar[str] = "Output"

    data_dir: Path = option(
        Path("data"), "Folder for results and the workers' folders; those of an earlier run are replaced."
    )
    dump: Path = option(Path("dump.txt"), "Log file of all events.")
    report: Path | None = option(
        None,
        "At the end, write all that happened as one page: an HTML file that needs no network.",
        metavar="FILE",
    )
    trace: Path | None = option(
        None,
        "At the end, write the tasks in Chrome's trace format, for Perfetto and the like.",
        metavar="FILE",
    )


@dataclass(frozen=True)
class FileOptions:
    """What the files between map and reduce hold, and which files stay."""

    title: ClassVar[str] = "Output"

    combine: bool = option(
        False,
        "Mappers merge the values of each key before they write: the same result, smaller files.",
    )
    intermediate: RecordFormat = option(
        RecordFormat.TEXT,
        "Format of map output, partitions and reduce output; arrow (Arrow IPC files) is faster.",
    )
    keep_iterations: bool = option(False, "Keep the workers' files of every iteration, not only the newest.")
    resume: bool = option(
        False, "Continue a run that ended early, in the same --data-dir, after its last iteration."
    )


@dataclass(frozen=True)
class WorkerOptions:
    """Who does the work."""

    title: ClassVar[str] = "Workers"

    mappers: int = required("Number of mapper processes (Spark, Dask: map tasks), from 1.")
    reducers: int = required(
        "Number of reducer processes (Spark, Dask: reduce tasks), from 1. A record goes to reducer key % R."
    )
    engine: EngineName = option(EngineName("grpc"), "What runs the map and reduce tasks.")
    threads: int = option(0, "Threads of each mapper, for many rows; 0: the mappers share the cores.")
    splits: int = option(
        0, "Number of map tasks; 0: one for each mapper. With more, fast mappers do more of them."
    )

    def __post_init__(self) -> None:
        for name, count in (("--mappers", self.mappers), ("--reducers", self.reducers)):
            at_least(name, count, 1)
            at_most(name, count, _MOST_WORKERS)
        at_least("--threads", self.threads, 0)
        at_least("--splits", self.splits, 0)


@dataclass(frozen=True)
class HostOptions:
    """Where workers on other machines join, and what they prove themselves with."""

    title: ClassVar[str] = "Several machines"

    listen: str | None = option(
        None,
        "Address where workers of other hosts may join, by python -m mapper --join ADDRESS:PORT. Needs "
        "--certs, except for 127.0.0.1: workers of this machine join over a socket.",
        metavar="ADDRESS:PORT",
    )
    workers: Literal["local", "remote"] = option(
        "local",
        "local: start the workers here; others may join with --listen. remote: start "
        "none, and wait until M mappers and R reducers have joined.",
    )
    certs: Path | None = option(None, "Certificates, made by: python -m master certs", metavar="FOLDER")
    data_root: Path = option(
        Path(), "With --certs: the folder below which the input lies, at the same place on every host."
    )

    def __post_init__(self) -> None:
        if self.listen is None:
            if self.certs is not None:
                raise UsageError("--certs needs --listen ADDRESS:PORT, where workers of other hosts join")
            return
        host, _port = split_address(self.listen, "--listen")
        if self.certs is None and not _is_loopback(host):
            raise UsageError(f"--listen {self.listen} needs --certs FOLDER; {HOW_TO_MAKE}")
        if self.workers == "local" and host in WILDCARDS:
            raise UsageError(
                f"--listen {self.listen}: give an address that other hosts "
                f"can reach; the local workers also serve there"
            )

    @property
    def takes_strangers(self) -> bool:
        """Tell whether workers may join that people start."""
        return self.listen is not None or self.workers == "remote"


def _is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address; a name may mean anything."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class ClusterOptions:
    """Which Spark or Dask cluster to use."""

    title: ClassVar[str] = "Spark and Dask"

    spark_master: str | None = option(
        None,
        "spark://host:port, local[2], yarn, ...  [default: Spark's own configuration, or local[*]]",
        metavar="URL",
    )
    spark_conf: tuple[str, ...] = option(
        (), "A Spark setting; may be repeated.", name="--conf", metavar="NAME=VALUE"
    )
    dask_scheduler: str | None = option(
        None, "tcp://host:port or tls://host:port.  [default: M worker processes here]", metavar="URL"
    )
    cluster_timeout: float = option(
        60.0,
        "Seconds, from 1, without any living worker or executor after which the run fails.",
        metavar="SECONDS",
    )

    def __post_init__(self) -> None:
        at_least("--cluster-timeout", self.cluster_timeout, 1)
        for setting in self.spark_conf:
            name, equals, _ = setting.partition("=")
            if not name or not equals:
                raise UsageError(f"--conf {setting}: it must be name=value")
            if name == "spark.authenticate.secret":
                raise UsageError(
                    f"--conf {name}: every user can read a command line; put the secret into "
                    "$SPARK_CONF_DIR/spark-defaults.conf"
                )

    @property
    def spark_settings(self) -> dict[str, str]:
        """Spark's settings by name."""
        return {name: value for name, _, value in (each.partition("=") for each in self.spark_conf)}


@dataclass(frozen=True)
class FailureOptions:
    """How to try what happens when tasks fail or workers die."""

    title: ClassVar[str] = "Trying failures"

    fail_rate: float = option(
        0.0, "Probability, below 1, that a map or reduce call fails, to try retries; 0: never."
    )
    task_delay: float = option(
        0.0,
        "Seconds that each task waits before its work, so that you can kill a process in time; 0: no delay.",
        metavar="SECONDS",
    )

    def __post_init__(self) -> None:
        at_least("--task-delay", self.task_delay, 0)
        at_most("--task-delay", self.task_delay, _LONGEST_DELAY_S)
        if not 0 <= self.fail_rate < 1:
            raise UsageError(f"--fail-rate is {self.fail_rate:g}, but must be from 0 to below 1")


MAP_GROUPS = {
    "output": OutputOptions,
    "workers": WorkerOptions(mappers=2, reducers=1),
    "hosts": HostOptions,
    "cluster": ClusterOptions,
}
"""The groups of a command whose map tasks label rows, besides its input, by `RunConfig`'s fields."""

RUN_GROUPS = {**MAP_GROUPS, "workers": WorkerOptions, "files": FileOptions, "failures": FailureOptions}
"""The same of a command that runs an algorithm."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The options of a run, whatever its algorithm; the table of engines checks that they go together.

    `given` is a file that the algorithm reads, so that the run must not write it; `seed` decides which tasks
    `--fail-rate` makes fail; `choice` is which columns the algorithm needs, apart from `--columns`; `written`
    are the files that it publishes outside of the data directory, by what names them. The page shows `sample`
    rows. `command` is the one of the command line, None for Python.
    """

    input: InputOptions
    output: OutputOptions
    workers: WorkerOptions
    text: TextFileOptions = field(default_factory=TextFileOptions)
    hosts: HostOptions = field(default_factory=HostOptions)
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    files: FileOptions = field(default_factory=FileOptions)
    failures: FailureOptions = field(default_factory=FailureOptions)
    labels: Path | None = None
    given: Path | None = None
    seed: int = 0
    choice: ColumnChoice = ALL_COLUMNS
    written: Mapping[str, Path] = field(default_factory=dict)
    sample: int = 0
    command: str | None = None

    @property
    def columns(self) -> ColumnChoice:
        """Which columns of the input to read."""
        wanted = self.input.columns
        return self.choice if wanted is None else replace(self.choice, wanted=wanted)

    def tasks(self, threads: int) -> TaskOptions:
        """Return what workers are told with each task."""
        return TaskOptions(
            combine=self.files.combine,
            keep_iterations=self.files.keep_iterations,
            delay_s=self.failures.task_delay,
            fail_rate=self.failures.fail_rate,
            seed=self.seed,
            intermediate=self.files.intermediate,
            threads=threads,
        )
