"""What a run knows of its algorithm, and an algorithm of its run.

An algorithm is a package with its configuration, its loop and what it publishes; its jobs are in
`common.jobs`. Nothing in `master.run` or `master.views` knows more of it than what stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy.typing as npt

from common.events.log import RunLog
from common.formats.columns import ALL_COLUMNS, ColumnChoice
from common.jobs.base import Engine, Job
from common.model import Input, State
from master.options.groups import InputOptions

_Result = TypeVar("_Result")

MOST_SAMPLED_ROWS = 500
"""More would hide each other on the page."""

Progress: TypeAlias = Mapping[str, npt.NDArray[Any]]
"""How far one part of a run has come, as arrays by name; they are never written to."""


class Checkpoints:
    """Where the progress of a run is kept, so that another run can resume from there; this one keeps nothing.

    The progress, the parameters and the input decide the rest of the run: everything that is drawn at random
    is drawn before the first progress is saved.
    """

    def resumed(self) -> Sequence[Progress] | None:
        """Return the progress to resume from, one for each part; None to begin anew."""
        return None

    def save(self, iteration: int, parts: Sequence[Progress]) -> None:
        """Keep this; called before the first iteration and after each one."""


@dataclass(frozen=True)
class ResultFile:
    """A file that a run leaves; `title` says what it holds."""

    name: str
    title: str
    content: bytes
    is_shown: bool = True
    """Whether the screen shows how it begins."""
    folder: Path | None = None
    """Where it is; None: in the data directory."""

    def path(self, data_dir: Path) -> Path:
        """Return its path as people know it."""
        return (data_dir if self.folder is None else self.folder) / self.name


@dataclass(frozen=True)
class Labelling:
    """A job whose map output, in input order, is a label for each row; `title` says what it is."""

    job: Job
    state: State
    title: str


@dataclass(frozen=True)
class Published:
    """What people get of a result: a line for the screen and more, files, and, if asked for, labels.

    `figures` are what a script wants to know, of types that JSON has.
    """

    summary: str
    files: tuple[ResultFile, ...] = ()
    labels: Labelling | None = None
    lines: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)


class Algorithm(ABC, Generic[_Result]):
    """One algorithm with its configuration, ready to run on any engine."""

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names of the files that it will publish."""
        return ()

    @property
    def iterations(self) -> int:
        """How many iterations it runs at most; 0 if it keeps no checkpoints."""
        return 0

    def check(self, source: Input) -> None:
        """Raise UserError if it cannot run on this input, before anything is started or replaced."""

    def parameters(self) -> dict[str, str]:
        """Return the options that decide the result, as text by name: `--resume` compares them."""
        return {}

    def check_progress(self, source: Input, iteration: int, parts: Sequence[Progress]) -> None:
        """Raise ValueError if it can't have saved this after that iteration; it was read from a file."""

    @abstractmethod
    def run(self, engine: Engine, source: Input, log: RunLog, checkpoints: Checkpoints) -> _Result:
        """Run the loop."""

    @abstractmethod
    def publish(self, result: _Result) -> Published:
        """Return what people get of the result."""


@dataclass(frozen=True)
class Prepared:
    """An algorithm, and what its options say about the run.

    `labels` is where labels go, if they are wanted; `given` is a file that the algorithm has read, which the
    run must not overwrite; `seed` decides which tasks `--fail-rate` makes fail; `choice` is which columns of
    the input it needs, apart from `--columns`; `input` is what the run reads, if no group of options says it;
    `written` are the files that the algorithm publishes outside of the data directory, by what names them;
    `sample` is how many rows the page shows, None if that depends on whether there is a page.
    """

    algorithm: Algorithm[Any]
    labels: Path | None = None
    given: Path | None = None
    seed: int = 0
    choice: ColumnChoice = ALL_COLUMNS
    input: InputOptions | None = None
    written: Mapping[str, Path] = field(default_factory=dict)
    sample: int | None = 0


@dataclass(frozen=True)
class Command:
    """How the command line offers an algorithm; `summary` is its help in one line.

    A name of two words is a command of the one whose name is the first word.

    A group is a dataclass of options, or an instance of one, whose values are then the options' defaults.
    A group with the name of a field of `RunConfig` says how to run; `prepare` gets the others by name.
    """

    name: str
    prepare: Callable[..., Prepared]
    groups: Mapping[str, Any]
    help: str
    summary: str
    epilog: str = ""
