"""What happens to a run as a whole, whatever its algorithm."""

from common.events.catalogue.base import Event

FORMAT = 3
"""The version of dump.txt's format; the first line says it."""


class RunStarted(Event):
    """A run begins; this is the first line of dump.txt, and says how the run was started."""

    format: int
    command: str | None = None
    input: str
    rows: int
    columns: int
    dtype: str | None = None
    engine: str
    mappers: int
    reducers: int
    combine: bool
    intermediate: str | None = None
    threads: int
    data_dir: str | None = None
    cores: int
    versions: tuple[str, ...]
    settings: tuple[str, ...]


class InputUnderstood(Event):
    """What the input was taken for: its format, whether its first row is a header, and the columns used."""

    file: str
    format: str
    delimiter: str | None = None
    header: bool = False
    columns: tuple[str, ...]


class CompilingKernels(Event):
    """No kernel is kept in its compiled form yet: the first tasks compile them, for later runs as well."""


class Resumed(Event):
    """The run continues from a checkpoint."""

    iteration: int
    of: int


class SampledRow(Event):
    """One of the rows of the input that the page shows, up to its 20th column; --sample asks for them."""

    row: int
    value: str


class IterationStarted(Event):
    """An iteration begins."""

    iteration: int
    of: int


class Checkpoint(Event):
    """A checkpoint is on disk."""

    file: str


class CheckpointFailed(Event):
    """A checkpoint cannot be written; the run continues without it."""

    file: str
    reason: str


class CheckpointSkipped(Event):
    """A checkpoint cannot be used to resume; the run continues from an older one."""

    file: str
    reason: str


class Labels(Event):
    """The labels are written."""

    file: str


class Result(Event):
    """The result is written."""

    file: str


class RunFinished(Event):
    """The run ended well."""


class RunFailed(Event):
    """The run ended with an error."""

    reason: str
    checkpoint: str | None = None


class InternalError(Event):
    """A process met an error in its own code."""

    id: str | None = None
    error: str


class Unknown(Event):
    """A reader met a line of another version: it does not know this event, or not with these fields."""

    text: str
