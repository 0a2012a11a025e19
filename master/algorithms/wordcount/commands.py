"""Count the words of a text: one job, no iterations."""

import csv
import io
from dataclasses import dataclass
from typing import ClassVar

from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.wordcount import WordCount
from common.model import FloatType, Input
from common.store.names import COUNTS
from master.algorithms.base import Algorithm, Checkpoints, Command, Prepared, Published, ResultFile
from master.options.declare import required
from master.options.groups import RUN_GROUPS, FileOptions, InputOptions

_HELP = """Count how often each word occurs in a text, on mapper and reducer processes.

\b
Example:
  python -m master wordcount --input README.md --mappers 2 --reducers 2
"""


@dataclass(frozen=True)
class WordCountAlgorithm(Algorithm[dict[str, int]]):
    """Count how often each word occurs; the result is counts.csv."""

    file_names: ClassVar = (COUNTS,)

    def run(self, engine: Engine, source: Input, log: Log, checkpoints: Checkpoints) -> dict[str, int]:
        """Count; return each word's number of occurrences.

        The stage counts as an iteration, so that the workers' files stay when the run is over.
        """
        found = engine.map_reduce(WordCount(), {}, iteration=1)
        return {str(word): int(count) for word, ((count,),) in found.items()}

    def publish(self, result: dict[str, int]) -> Published:
        """Return the counts as CSV: the most frequent word first, words of one count in their order."""
        text = io.StringIO()
        ordered = sorted(result.items(), key=lambda pair: (-pair[1], pair[0]))
        csv.writer(text, lineterminator="\n").writerows(ordered)
        counts = ResultFile(COUNTS, "word,count: one word a line", text.getvalue().encode())
        return Published(f"{sum(result.values())} words, {len(result)} different ones", files=(counts,))


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
