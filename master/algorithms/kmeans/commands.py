"""The commands `run` and `predict`."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from common.formats.columns import ColumnChoice
from common.formats.dataset import read_all
from master.algorithms.base import Command, Prepared
from master.algorithms.kmeans.algorithm import KMeansAlgorithm, KMeansPrediction
from master.algorithms.kmeans.config import KMeansConfig
from master.options.declare import option, required
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

_EPILOG = """\b
Other commands:
  python -m master predict --help      label a file by centroids that you have
  python -m master wordcount --help    count the words of a text, the example of the MapReduce paper
  python -m master certs --help        make certificates for several machines
"""


@dataclass(frozen=True)
class LabelOptions:
    """Where a run writes labels."""

    title: ClassVar[str] = "Output"

    labels: Path | None = option(
        None,
        "Write the cluster of each row to this file, one a line, in input order; -: to standard output, and "
        "messages to standard error.",
        metavar="FILE",
    )


@dataclass(frozen=True)
class PredictionOptions:
    """What a prediction reads and writes."""

    title: ClassVar[str] = "Labelling"

    centroids: Path = required("File of centroids, one a row.", metavar="FILE")
    labels: Path = required(
        "File for the cluster of each row, one a line; -: standard output, and messages on standard error.",
        metavar="FILE",
    )


def _prepare_run(clustering: KMeansConfig, labelling: LabelOptions) -> Prepared:
    given = clustering.init_centroids
    if given is not None:
        clustering = replace(clustering, initial=read_all(given))
    choice = ColumnChoice(weights=clustering.weights)
    return Prepared(KMeansAlgorithm(clustering), labelling.labels, given, clustering.seed, choice)


def _prepare_prediction(prediction: PredictionOptions) -> Prepared:
    algorithm = KMeansPrediction(read_all(prediction.centroids))
    return Prepared(algorithm, prediction.labels, prediction.centroids)


COMMANDS = (
    Command(
        name="run",
        prepare=_prepare_run,
        groups={
            "clustering": KMeansConfig,
            "input": InputOptions("data/input/points.txt"),
            "text": TextFileOptions,
            "labelling": LabelOptions,
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
)
