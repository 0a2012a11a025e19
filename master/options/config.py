"""Where and how to run: the groups of options together."""

from dataclasses import dataclass, field
from pathlib import Path

from common.model import TaskOptions
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
    """The options of a run, whatever its algorithm; the table of engines checks that they go together.

    `given_centroids` is a file that the algorithm reads, so that the run must not write it; `seed` decides
    which tasks `--fail-rate` makes fail.
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

    def given(self) -> set[str]:
        """Return the names of the options that are not at their defaults, where engines differ."""
        return given_options(self.workers, self.hosts, self.cluster, self.files, self.failures)

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
