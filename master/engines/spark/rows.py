"""Where Spark's executors get their rows from: a file that all can read, or what Spark reads itself."""

from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Protocol

from common.engines.rows import FilePart, StoredPart
from common.errors import InputError, RunFailedError
from common.formats.base import InputFile
from common.formats.dataset import plan_splits
from master.engines.spark.errors import translated_errors

if TYPE_CHECKING:
    from pyspark import RDD, SparkContext


class SparkRows(Protocol):
    """The input's rows, in partitions that follow each other."""

    def parts(self) -> "RDD[Any]":
        """Return an RDD with one `Part` a partition."""

    def row_starts(self) -> tuple[int, ...]:
        """Return the first row of each partition."""

    def renew(self) -> None:
        """Have rows read again that got lost with a worker."""

    def close(self) -> None:
        """Keep them no longer."""


class SplitRows:
    """Rows of a file that every executor can read at the same path; each reads its splits itself."""

    def __init__(self, context: "SparkContext", file: InputFile, partitions: int) -> None:
        splits = plan_splits(file, partitions)
        parts = [FilePart(file.input, split) for split in splits]
        self._parts = context.parallelize(parts, partitions)
        self._row_starts = tuple(split.row_start for split in splits)

    def parts(self) -> "RDD[Any]":
        """Return the splits."""
        return self._parts

    def row_starts(self) -> tuple[int, ...]:
        """Return the splits' first rows."""
        return self._row_starts

    def renew(self) -> None:
        """Do nothing: a worker reads what it has not."""

    def close(self) -> None:
        """Do nothing: Spark removes its executors' files."""


class StoredRows:
    """Rows that Spark delivered once to its Python processes, which keep them in files.

    Spark remembers only where they are, and makes them again, from where they came, when an executor is lost.

    Parameters
    ----------
    stored
        An RDD with one `StoredPart` a partition, or the text of what is wrong with the input.

    Raises
    ------
    InputError
        The input holds what it must not.
    """

    def __init__(self, stored: "RDD[Any]") -> None:
        from pyspark import StorageLevel

        self._stored = stored.persist(StorageLevel.MEMORY_AND_DISK)
        with translated_errors():
            found: Sequence[StoredPart | str] = self._stored.collect()
        for part in found:
            if isinstance(part, str):
                self.close()
                raise InputError(part)
        parts = [part for part in found if isinstance(part, StoredPart)]
        sizes = dict.fromkeys(range(stored.getNumPartitions()), 0) | {part.index: part.rows for part in parts}
        starts = list(accumulate(sizes.values(), initial=0))
        self.rows = starts.pop()
        self._row_starts = tuple(starts)
        if any(part.first not in (-1, starts[part.index]) for part in parts):
            raise RunFailedError("Spark's partitions do not follow each other as the rows do")

    def parts(self) -> "RDD[Any]":
        """Return where the rows are."""
        return self._stored

    def row_starts(self) -> tuple[int, ...]:
        """Return each partition's first row, counted through."""
        return self._row_starts

    def renew(self) -> None:
        """Forget where the rows are, so that they are made again."""
        self._stored.unpersist(blocking=True)
        self._stored.persist()

    def close(self) -> None:
        """Forget where the rows are."""
        self._stored.unpersist()
