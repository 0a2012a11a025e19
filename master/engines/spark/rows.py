"""Where Spark's executors get their rows from: a file that all can read, or what Spark reads itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Self

from common.engines.rows import FilePart, StoredPart
from common.errors import InputError, RunFailedError
from common.formats.dataset import InputFile, plan_splits
from master.engines.spark.errors import translated_errors

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext

NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double")
"""The types of a data frame's columns that can be clustered."""


@dataclass(frozen=True)
class SparkRows:
    """The input's rows: an RDD with a `Part` in each partition, and the first row of each."""

    parts: "RDD[Any]"
    row_starts: tuple[int, ...]
    rows: int

    @classmethod
    def of_file(cls, context: "SparkContext", file: InputFile, partitions: int) -> Self:
        """Cut a file that every executor can read at the same path; each reads its splits itself."""
        splits = plan_splits(file, partitions)
        parts = context.parallelize([FilePart(file.input, split) for split in splits], partitions)
        return cls(parts, tuple(split.row_start for split in splits), file.input.rows)

    @classmethod
    def stored(cls, stored: "RDD[Any]") -> Self:
        """Have Spark deliver rows, once, to its Python processes, which keep them in files.

        Spark remembers only where they are, and makes them again when an executor is lost. A partition of the
        RDD has a `StoredPart`, or the text of what is wrong with the input, for which InputError is raised.
        """
        from pyspark import StorageLevel

        stored.persist(StorageLevel.MEMORY_AND_DISK)
        with translated_errors():
            found: Sequence[StoredPart | str] = stored.collect()
        for part in found:
            if isinstance(part, str):
                stored.unpersist()
                raise InputError(part)
        parts = [part for part in found if isinstance(part, StoredPart)]
        sizes = dict.fromkeys(range(stored.getNumPartitions()), 0) | {part.index: part.rows for part in parts}
        *starts, rows = accumulate(sizes.values(), initial=0)
        if any(part.first not in (-1, starts[part.index]) for part in parts):
            raise RunFailedError("Spark returned the partitions in another order than the rows")
        return cls(stored, tuple(starts), rows)

    def renew(self) -> None:
        """Forget where rows are stored, so that they are made again."""
        self.parts.unpersist(blocking=True)
        self.parts.persist()
