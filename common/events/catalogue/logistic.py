"""What happens in classification. `model` is `global`, or the number of a part with a model of its own."""

from common.events.catalogue.base import Event


class TableLearned(Event):
    """The columns of the table are known: which hold numbers, which categories, and the classes."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    classes: tuple[str, ...]
    class_rows: tuple[int, ...]
    parameters: int


class StepFinished(Event):
    """An iteration is done; iteration 0 is the beginning, where all weights are 0."""

    iteration: int
    loss: float
    gradient: float
    halvings: int


class FitFinished(Event):
    """The last iteration is done."""

    reason: str
    iterations: int
    loss: float
    gradient: float


class FitInDoubt(Event):
    """The fit is of little use, or of less than it seems."""

    reason: str


class ModelScored(Event):
    """A model was compared with the classes of the test rows, or, if there are none, of the training rows."""

    model: str
    sample: str
    rows: int
    accuracy: float
    weighted_f1: float
    macro_f1: float
    log_loss: float


class ClassConfusion(Event):
    """How many rows of a class a model takes for each of the classes, in their order."""

    model: str
    class_: str
    taken_for: tuple[int, ...]
    precision: float
    recall: float
    f1: float


class PartModel(Event):
    """A map task has fitted a model of its own to its part."""

    model: str
    rows: int
    iterations: int
    converged: bool
    seconds: float
    cpu_seconds: float
    peak_mb: float
