"""What the user asked of a classifier: frozen, and validated once."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from common.errors import UsageError
from common.formats.columns import ColumnChoice
from common.jobs.encoding import Sample
from common.jobs.logistic import MOST_ITERATIONS
from master.options.declare import at_least, at_most, option, required

UNSEEN_HELP = (
    "What to do with a category that no training row has. zero: it has no weight, as if the row had none."
)


@dataclass(frozen=True)
class TableOptions:
    """Which columns of a table mean what; what an option means is its help."""

    title: ClassVar[str] = "Input"

    target: str = required("The column with the classes, by name or by position from 1.", metavar="COLUMN")
    categories: str | None = option(
        None,
        "Columns that hold categories, by name or position, besides those that hold texts: numbers that are "
        "codes, say.",
        metavar="LIST",
    )
    missing: Literal["error", "mean", "skip"] = option(
        "error",
        "What to do with a row that lacks something (an empty field, NA, NaN, null, None or ?). mean: a "
        "number becomes the mean of its column, and an empty text is a category of its own. skip: the row "
        "does not count.",
    )

    @property
    def choice(self) -> ColumnChoice:
        """Which columns to read."""
        return ColumnChoice(
            takes_texts=True,
            target=self.target,
            categories=self.categories,
            keeps_missing=self.missing != "error",
        )


@dataclass(frozen=True)
class LogisticConfig:
    """What a fit needs to know; what an option means is its help.

    Raises
    ------
    UsageError
        A value is invalid.
    """

    title: ClassVar[str] = "Classification"

    iterations: int = option(100, "Maximum number of iterations, from 1.", name="--iters")
    tol: float = option(
        1e-8, "Stop when no derivative of the objective is greater than this; numbers are standardised."
    )
    l2: str = option("auto", "Weight of the penalty of squared weights; auto: 1 / rows.", metavar="VALUE")
    class_weight: Literal["none", "balanced"] = option(
        "none", "balanced: each class weighs the same in all, however few its rows are."
    )
    test: float = option(
        0.0, "Share of the rows, below 1, that are drawn for testing, and not fitted to.", metavar="SHARE"
    )
    seed: int = option(0, "Seed of that draw, from 0.")
    unseen: Literal["error", "zero"] = option("error", UNSEEN_HELP)
    per_node: bool = option(
        False, "Each map task fits a model of its own to its part, too; all are scored on the same rows."
    )

    def __post_init__(self) -> None:
        at_least("--iters", self.iterations, 1)
        at_most("--iters", self.iterations, MOST_ITERATIONS)
        at_least("--tol", self.tol, 0)
        at_least("--seed", self.seed, 0)
        at_most("--seed", self.seed, 2**63 - 1)
        if not 0 <= self.test < 1:
            raise UsageError(f"--test is {self.test:g}, but must be from 0 to below 1")
        if self.l2 != "auto":
            at_least("--l2", self._penalty(), 0)
            at_most("--l2", self._penalty(), 1e100)

    def penalty(self, rows: int, classes: int) -> float:
        """Return the weight of the penalty for so many rows and classes.

        Two classes have two models that mirror each other, and so twice the penalty of the one that others
        fit.
        """
        return (1.0 / rows if self.l2 == "auto" else self._penalty()) * (2.0 if classes == 2 else 1.0)

    def _penalty(self) -> float:
        try:
            return float(self.l2)
        except ValueError:
            raise UsageError(f"--l2 is {self.l2}, but must be auto or a number") from None

    def sample(self, missing: str) -> Sample:
        """Return which rows count."""
        return Sample(self.seed, self.test, missing == "skip")
