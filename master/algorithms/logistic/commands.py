"""The commands `classify train`, which need not be named, `classify predict` and `classify evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from common.errors import UsageError
from common.model import FloatType
from master.algorithms.base import Command, Prepared
from master.algorithms.logistic.algorithm import ClassPrediction, Evaluation, LogisticAlgorithm, UsedModel
from master.algorithms.logistic.config import UNSEEN_HELP, LogisticConfig, TableOptions
from master.algorithms.logistic.model import read_model
from master.options.declare import option, required
from master.options.groups import MAP_GROUPS, RUN_GROUPS, InputOptions, WorkerOptions
from master.options.text_files import TextFileOptions

_TRAIN_HELP = """Fit a classifier to a table of numbers and categories, on mapper and reducer processes.

\b
Example:
  python -m master classify --input data/input/jobs.csv --target Risk_Category --test 0.2 \\
    --mappers 2 --reducers 2
"""

_PREDICT_HELP = """Write the class of each row of a table, by a model that classify has made.

\b
Example:
  python -m master classify predict --model model.json --input new.csv --labels classes.txt
"""

_EVALUATE_HELP = """Compare what a model says of a table's rows with their classes.

\b
Example:
  python -m master classify evaluate --model model.json --input new.csv
"""

_EPILOG = """\b
Other commands:
  python -m master classify predict --help     classify the rows of a file by a model that you have
  python -m master classify evaluate --help    compare a model with rows whose classes are known
"""


@dataclass(frozen=True)
class TableInput(InputOptions):
    """What is read: rows of numbers and texts."""

    input: str = required(
        "A table with columns of numbers and of texts: text (CSV and the like), Parquet, Arrow or NumPy; a "
        "file, a folder of files or a pattern ('day-*.csv')."
    )
    columns: str | None = option(
        None,
        "Columns to learn from, by name or by position from 1: 'x,y' or '1,3-5'.  [default: all others]",
        metavar="LIST",
    )
    dtype: FloatType = option(
        FloatType.FLOAT64, "Round the input's numbers to this type and keep them in it."
    )


@dataclass(frozen=True)
class ModelInput(TableInput):
    """What is read with a model, which says which columns."""

    columns: str | None = None


@dataclass(frozen=True)
class TableText(TextFileOptions):
    """How a text file is to be read; what to do with missing values is said for all formats alike."""

    missing: Literal["error", "drop"] = "error"


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model to use, and how."""

    title: ClassVar[str] = "Classification"

    model: Path = required("The model, as classify has written it.", metavar="FILE")
    missing: Literal["error", "mean"] = option(
        "error",
        "What to do with a row that lacks something. mean: a number becomes the mean that it had in "
        "training; an empty text is a category like another.",
    )
    unseen: Literal["error", "zero"] = option("error", UNSEEN_HELP)

    def used(self) -> UsedModel:
        """Read the model."""
        return UsedModel(read_model(self.model), self.model, self.unseen)


@dataclass(frozen=True, kw_only=True)
class ClassOptions(ModelOptions):
    """What a prediction reads and writes."""

    labels: Path = required(
        "File for the class of each row, one a line; -: standard output, and messages on standard error.",
        metavar="FILE",
    )
    probabilities: bool = option(False, "Write the probability of each class, too: class,p,p,...")


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions(ModelOptions):
    """What an evaluation reads."""

    target: str | None = option(
        None, "The column with the classes.  [default: as in training]", metavar="COLUMN"
    )


def _prepare_training(training: LogisticConfig, table: TableOptions) -> Prepared:
    return Prepared(LogisticAlgorithm(training, table), seed=training.seed, choice=table.choice)


def _prepare_prediction(prediction: ClassOptions) -> Prepared:
    if prediction.labels.suffix == ".parquet":
        raise UsageError(
            f"--labels {prediction.labels}: classes are written as lines of text; "
            "choose a name that does not end in .parquet"
        )
    used = prediction.used()
    choice = used.model.choice(with_target=False, keeps_missing=prediction.missing == "mean")
    algorithm = ClassPrediction(used, prediction.probabilities)
    return Prepared(algorithm, prediction.labels, prediction.model, choice=choice)


def _prepare_evaluation(evaluation: EvaluationOptions) -> Prepared:
    used = evaluation.used()
    keeps = evaluation.missing == "mean"
    choice = used.model.choice(with_target=True, keeps_missing=keeps, target=evaluation.target)
    return Prepared(Evaluation(used), given=evaluation.model, choice=choice)


_WITH_MODEL = {"input": ModelInput, "text": TableText, **MAP_GROUPS}

COMMANDS = (
    Command(
        name="classify train",
        prepare=_prepare_training,
        groups={
            "training": LogisticConfig,
            "input": TableInput,
            "table": TableOptions,
            "text": TableText,
            **RUN_GROUPS,
            "workers": WorkerOptions(mappers=2, reducers=2),
        },
        help=_TRAIN_HELP,
        summary="Fit a classifier to a table.",
        epilog=_EPILOG,
    ),
    Command(
        name="classify predict",
        prepare=_prepare_prediction,
        groups={"prediction": ClassOptions, **_WITH_MODEL},
        help=_PREDICT_HELP,
        summary="Classify the rows of a file by a model.",
    ),
    Command(
        name="classify evaluate",
        prepare=_prepare_evaluation,
        groups={"evaluation": EvaluationOptions, **_WITH_MODEL},
        help=_EVALUATE_HELP,
        summary="Compare a model with rows whose classes are known.",
    ),
)
