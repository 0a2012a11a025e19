"""Where and how to run: the groups of options together, frozen, and validated once."""

from dataclasses import dataclass, field
from pathlib import Path

from common.model import TaskOptions
from master.engines.base import EngineOptions, EngineRow
from master.engines.table import ENGINES, check_options
from master.options.declare import given_options
from master.options.groups import (
    ClusterOptions,
    FailureOptions,
    FileOptions,
    HostOptions,
    InputOptions,
    OutputOptions,
    WorkerOptions,
)


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The options of a run, whatever its algorithm.

    Parameters
    ----------
    labels
        Where the labels go; None: nowhere.
    given_centroids
        A file that the algorithm reads, so that the run must not write it.
    seed
        Decides which tasks `--fail-rate` makes fail.

    Raises
    ------
    UsageError
        An option does not go with the engine, or the engine is not installed.
    """

    input: InputOptions
    output: OutputOptions
    workers: WorkerOptions
    hosts: HostOptions = field(default_factory=HostOptions)
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    files: FileOptions = field(default_factory=FileOptions)
    failures: FailureOptions = field(default_factory=FailureOptions)
    labels: Path | None = None
    given_centroids: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = given_options(self.workers, self.hosts, self.cluster, self.files, self.failures)
        check_options(self.workers.engine, self.input, given)

    @property
    def engine(self) -> EngineRow:
        """The engine's row in the table."""
        return ENGINES[self.workers.engine]

    @property
    def engine_options(self) -> EngineOptions:
        """What the engine gets to know."""
        tasks = TaskOptions(
            combine=self.files.combine,
            keep_iterations=self.files.keep_iterations,
            delay_s=self.failures.task_delay,
            fail_rate=self.failures.fail_rate,
            seed=self.seed,
            intermediate=self.files.intermediate,
            threads=self.engine.threads(self.workers, self.hosts),
        )
        return EngineOptions(self.input, self.workers, tasks, self.hosts, self.cluster)
