"""What the user asked for: frozen, and validated once."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from common.errors import UsageError
from common.machine import cores
from common.model import FloatType, RecordFormat, TaskOptions
from common.rpc.address import WILDCARDS, split_address
from common.rpc.credentials import HOW_TO_MAKE

LONGEST_DELAY_S = 600

EngineName: TypeAlias = Literal["grpc", "inline", "spark", "dask"]

_ONLY_FILES = "it writes no files between map and reduce"
_NOT_OURS = "its failures are its own to handle: kill a worker process instead"


def at_least(name: str, value: float, least: float) -> None:
    """Raise UsageError if an option is less than that."""
    if not value >= least:
        raise UsageError(f"{name} is {value}, but must be {least} or more")


def at_most(name: str, value: float, most: float) -> None:
    """Raise UsageError if an option is more than that."""
    if not value <= most:
        raise UsageError(f"{name} is {value}, but must be {most} or less")


@dataclass(frozen=True)
class Hosts:
    """Where the workers come from, if not from this machine alone.

    Raises
    ------
    UsageError
        The options don't go together.
    """

    splits: int = 0
    listen: str | None = None
    workers: Literal["local", "remote"] = "local"
    certs: Path | None = None
    data_root: Path = Path()

    def __post_init__(self) -> None:
        at_least("--splits", self.splits, 0)
        if self.listen is None:
            if self.workers == "remote":
                raise UsageError("--workers remote needs --listen ADDRESS:PORT, where they can join")
            return
        host, _port = split_address(self.listen, "--listen")
        if self.certs is None:
            raise UsageError(f"--listen {self.listen} needs --certs FOLDER; {HOW_TO_MAKE}")
        if self.workers == "local" and host in WILDCARDS:
            raise UsageError(
                f"--listen {self.listen}: name the address that other hosts see; local workers serve there"
            )


@dataclass(frozen=True)
class ClusterConfig:
    """Which cluster the engines spark and dask use; None: what their own configuration says, or one here."""

    spark_master: str | None = None
    spark_conf: tuple[str, ...] = ()
    dask_scheduler: str | None = None

    def check(self, engine: EngineName) -> None:
        """Raise UsageError if an option is another engine's, or is no setting."""
        for option, value, owner in (
            ("--spark-master", self.spark_master, "spark"),
            ("--conf", self.spark_conf, "spark"),
            ("--dask-scheduler", self.dask_scheduler, "dask"),
        ):
            if value and engine != owner:
                raise UsageError(f"{option} is for --engine {owner}, not for {engine}")
        for setting in self.spark_conf:
            name, equals, _ = setting.partition("=")
            if not name or not equals:
                raise UsageError(f"--conf {setting}: it must be name=value")
            if name == "spark.authenticate.secret":
                raise UsageError(
                    f"--conf {name}: a command line can be read by everybody; put it into "
                    "spark-defaults.conf in the folder $SPARK_CONF_DIR"
                )

    @property
    def settings(self) -> dict[str, str]:
        """Return the settings by name."""
        return {name: value for name, _, value in (each.partition("=") for each in self.spark_conf)}


@dataclass(frozen=True)
class RunConfig:
    """Where and how to run.

    Raises
    ------
    UsageError
        A value makes no sense.
    """

    mappers: int
    reducers: int
    input: Path
    columns: str | None
    data_dir: Path
    dump: Path
    labels: Path | None
    engine: EngineName
    given_centroids: Path | None = None
    dtype: FloatType = FloatType.FLOAT64
    tasks: TaskOptions = field(default_factory=TaskOptions)
    resume: bool = False
    hosts: Hosts = field(default_factory=Hosts)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    uri: str | None = None

    def __post_init__(self) -> None:
        at_least("--mappers", self.mappers, 1)
        at_least("--reducers", self.reducers, 1)
        at_least("--threads", self.tasks.threads, 0)
        at_least("--task-delay", self.tasks.delay_s, 0)
        at_most("--task-delay", self.tasks.delay_s, LONGEST_DELAY_S)
        if not 0 <= self.tasks.fail_rate < 1:
            raise UsageError(f"--fail-rate is {self.tasks.fail_rate:g}, but must be from 0 to below 1")
        self.cluster.check(self.engine)
        if self.engine != "grpc" and (self.hosts.splits or self.hosts.listen):
            option = "--splits" if self.hosts.splits else "--listen"
            raise UsageError(f"{option} is for --engine grpc, not for {self.engine}")
        if self.uri is not None and self.engine != "spark":
            raise UsageError(f"--input {self.uri}: only --engine spark reads addresses like this one")
        if self.engine in ("spark", "dask"):
            self._check_task_options()

    def _check_task_options(self) -> None:
        """Refuse what only workers of ours can do."""
        for option, given, reason in (
            ("--keep-iterations", self.tasks.keep_iterations, _ONLY_FILES),
            ("--intermediate", self.tasks.intermediate is not RecordFormat.TEXT, _ONLY_FILES),
            ("--fail-rate", self.tasks.fail_rate, _NOT_OURS),
        ):
            if given:
                raise UsageError(f"{option} makes no sense with --engine {self.engine}: {reason}")


def threads_each(threads: int, mappers: int, engine: str, workers: str = "local") -> int:
    """Share the cores, unless a number is given; 0 where the workers know better."""
    if engine == "grpc" and workers == "remote":
        return threads
    if engine in ("spark", "dask"):
        return threads or 1  # the cluster gives a task one core
    sharing = max(mappers, 1) if engine == "grpc" else 1
    return threads or max(1, cores() // sharing)
