"""The command `wordcount`."""

from dataclasses import dataclass
from typing import ClassVar

from common.model import FloatType
from master.algorithms.base import Command, Prepared
from master.algorithms.wordcount.algorithm import WordCountAlgorithm
from master.options.declare import required
from master.options.groups import RUN_GROUPS, FileOptions, InputOptions

_HELP = """Count how often each word occurs in a text, on mapper and reducer processes.

\b
Example:
  python -m master wordcount --input README.md --mappers 2 --reducers 2
"""


@dataclass(frozen=True)
class TextOptions(InputOptions):
    """What is read: lines, in which there are no columns to choose."""

    reads_lines: ClassVar[bool] = True

    input: str = required("A text file in UTF-8. White space separates the words.")
    columns: str | None = None
    dtype: FloatType = FloatType.FLOAT64


@dataclass(frozen=True)
class OneStageOptions(FileOptions):
    """What the files between map and reduce hold; there are no iterations to keep or to resume."""

    keep_iterations: bool = False
    resume: bool = False


COMMANDS = (
    Command(
        name="wordcount",
        prepare=lambda: Prepared(WordCountAlgorithm()),
        groups={"input": TextOptions, **RUN_GROUPS, "files": OneStageOptions},
        help=_HELP,
        summary="Count the words of a text.",
    ),
)
