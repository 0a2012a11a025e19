"""The commands `run`, `predict` and `evaluate`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from common.errors import UsageError
from common.formats.columns import ColumnChoice
from common.formats.dataset import read_all
from master.algorithms.base import MOST_SAMPLED_ROWS, Command, Prepared
from master.algorithms.kmeans.algorithm import KMeansAlgorithm, KMeansPrediction
from master.algorithms.kmeans.counts import ClusteringOptions
from master.algorithms.kmeans.evaluation import KMeansEvaluation
from master.algorithms.kmeans.search import KMeansChoice
from master.options.declare import at_least, at_most, option, required
from master.options.groups import MAP_GROUPS, RUN_GROUPS, InputOptions
from master.options.text_files import TextFileOptions

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

_EVALUATE_HELP = """Measure the clusters of given centroids: inertia, Davies-Bouldin, silhouette and others.

\b
Example:
  python -m master evaluate --centroids data/centroids.txt --input data/input/points.txt
"""

_EPILOG = """\b
Other commands:
  python -m master predict --help      label a file by centroids that you have
  python -m master evaluate --help     measure how good centroids are for a file
  python -m master wordcount --help    count the words of a text, the example of the MapReduce paper
  python -m master certs --help        make certificates for several machines
"""


_ID = option(
    None,
    "Columns, as in --columns, that stand beside the labels in a file that ends in .csv or .parquet, and are "
    "not clustered; all: whole rows, which are.",
    metavar="COLUMNS",
)
_WEIGHTS = option(
    None,
    "Column of weights, by name or by position from 1: in the sizes, the inertia and the measures a row of "
    "weight w counts as w rows.",
    metavar="COLUMN",
)


def _check_id(columns: str | None, labels: Path | None) -> None:
    if columns is not None and (labels is None or labels.suffix not in (".csv", ".parquet")):
        given = "" if labels is None else f", not --labels {labels}"
        raise UsageError(f"--id {columns} needs --labels FILE.csv or FILE.parquet{given}")


@dataclass(frozen=True)
class LabelOptions:
    """Where a run writes labels."""

    title: ClassVar[str] = "Output"

    labels: Path | None = option(
        None,
        "Write the cluster of each row to this file, one a line, in input order, or a table if it ends in "
        ".parquet; -: to standard output, and messages to standard error.",
        metavar="FILE",
    )
    id: str | None = _ID

    def __post_init__(self) -> None:
        _check_id(self.id, self.labels)


@dataclass(frozen=True)
class SampleOptions:
    """How many rows the page shows."""

    title: ClassVar[str] = "Output"

    sample: int | None = option(
        None,
        f"Rows of the input to put into the log, for the page: 0 to {MOST_SAMPLED_ROWS}, at even distances."
        f"  [default: {MOST_SAMPLED_ROWS} with --ui or --report, else 0]",
        metavar="N",
    )

    def __post_init__(self) -> None:
        at_least("--sample", self.sample or 0, 0)
        at_most("--sample", self.sample or 0, MOST_SAMPLED_ROWS)


@dataclass(frozen=True)
class PredictionOptions:
    """What a prediction reads and writes."""

    title: ClassVar[str] = "Labelling"

    centroids: Path = required("File of centroids, one a row.", metavar="FILE")
    labels: Path = required(
        "File for the cluster of each row, one a line, or a table if it ends in .parquet; -: standard "
        "output, and messages on standard error.",
        metavar="FILE",
    )
    id: str | None = _ID
    weights: str | None = _WEIGHTS

    def __post_init__(self) -> None:
        _check_id(self.id, self.labels)


@dataclass(frozen=True)
class EvaluationOptions:
    """What an evaluation reads."""

    title: ClassVar[str] = "Evaluation"

    centroids: Path = required("File of centroids, one a row.", metavar="FILE")
    weights: str | None = _WEIGHTS


def _prepare_run(clustering: ClusteringOptions, labelling: LabelOptions, sampling: SampleOptions) -> Prepared:
    given = clustering.init_centroids
    config, *others = clustering.configs
    if given is not None:
        config = replace(config, initial=read_all(given))
    algorithm = KMeansChoice((config, *others)) if others else KMeansAlgorithm(config)
    choice = ColumnChoice(weights=config.weights, ids=labelling.id)
    sample = sampling.sample if config.unit_is_inputs else _no_sample(sampling.sample)
    return Prepared(algorithm, labelling.labels, given, config.seed, choice, sample=sample)


def _no_sample(asked: int | None) -> int:
    """Show no rows where centroids are logged in another unit than the input's."""
    if asked:
        raise UsageError(
            "--sample shows rows as they are in the input; with --scale or --metric centroids are not"
        )
    return 0


def _prepare_prediction(prediction: PredictionOptions) -> Prepared:
    algorithm = KMeansPrediction(read_all(prediction.centroids), prediction.weights)
    choice = ColumnChoice(weights=prediction.weights, ids=prediction.id)
    return Prepared(algorithm, prediction.labels, prediction.centroids, choice=choice)


def _prepare_evaluation(evaluation: EvaluationOptions) -> Prepared:
    algorithm = KMeansEvaluation(read_all(evaluation.centroids), evaluation.weights)
    choice = ColumnChoice(weights=evaluation.weights)
    return Prepared(algorithm, given=evaluation.centroids, choice=choice)


COMMANDS = (
    Command(
        name="run",
        prepare=_prepare_run,
        groups={
            "clustering": ClusteringOptions,
            "input": InputOptions("data/input/points.txt"),
            "text": TextFileOptions,
            "labelling": LabelOptions,
            "sampling": SampleOptions,
            **RUN_GROUPS,
        },
        help=_RUN_HELP,
        summary="Cluster a file (when no command is named).",
        epilog=_EPILOG,
    ),
    Command(
        name="predict",
        prepare=_prepare_prediction,
        groups={
            "prediction": PredictionOptions,
            "input": InputOptions,
            "text": TextFileOptions,
            **MAP_GROUPS,
        },
        help=_PREDICT_HELP,
        summary="Label a file by given centroids.",
    ),
    Command(
        name="evaluate",
        prepare=_prepare_evaluation,
        groups={
            "evaluation": EvaluationOptions,
            "input": InputOptions,
            "text": TextFileOptions,
            **MAP_GROUPS,
        },
        help=_EVALUATE_HELP,
        summary="Measure how good given centroids are for a file.",
    ),
)
