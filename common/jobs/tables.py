"""Jobs about the columns of a table: the texts that occur, and the range, mean and deviation of numbers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Job
from common.jobs.encoding import BoolArray, Encoding, Sample
from common.kernels.exact import SumGrid, sum_all
from common.model import Block, FloatArray, Key, KeyType, Records, State, Table, as_keys

SQUARE_BITS = 80
"""Of a squared deviation, below the greatest, which are added."""
_PIECE_ROWS = 1 << 14


@dataclass(frozen=True)
class SampledJob(Job):
    """A job over the rows of a table that count, of which some are test rows; see `Sample`."""

    seed: int
    share: float
    skips: int

    reads_tables: ClassVar[bool] = True
    aggregates: ClassVar[bool] = True

    @property
    def sample(self) -> Sample:
        """Which rows count, and which are test rows."""
        return Sample(self.seed, self.share, bool(self.skips))

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the parameters are out of range."""
        if not (self.seed >= 0 and 0 <= self.share < 1 and self.skips in (0, 1)):
            raise ValueError("the sample's parameters are out of range")

    def training_rows(self, block: Block) -> BoolArray:
        """Tell which rows count and are no test rows."""
        test = self.sample.test_rows(block.row_start, len(block.table))
        return self.sample.complete_rows(block.table) & ~test


def text_key(column: int, text: str) -> str:
    """Return the key of a text of a column; see `Vocabulary`."""
    return f"{column}={text}"


def column_and_text(key: Key) -> tuple[int, str]:
    """Undo `text_key`."""
    column, _, text = str(key).partition("=")
    return int(column), text


@dataclass(frozen=True)
class Vocabulary(SampledJob):
    """Count how often each text occurs in each column of texts.

    Result: per column and text (the key) one row: how many of the training rows have it, how many of the test
    rows, and the first row of all that has it, from 0.
    """

    name: ClassVar[str] = "vocabulary"
    key_type: ClassVar[KeyType] = str

    def result_shape(self, state: State, columns: int) -> None:
        """Return None: nobody knows how many texts there are."""
        return

    def map(self, block: Block, state: State) -> Records:
        """Count a block's texts."""
        table = block.table
        training, complete = self.training_rows(block), self.sample.complete_rows(table)
        parts = [
            _counted(table, column, texts, training, complete, block.row_start)
            for column, texts in table.texts.items()
        ]
        return Records.concatenate([*parts, Records.empty(str)])

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add the counts up; take the first row."""
        return np.array([[values[:, 0].sum(), values[:, 1].sum(), values[:, 2].min()]])


def _counted(
    table: Table,
    column: int,
    texts: tuple[str, ...],
    training: BoolArray,
    complete: BoolArray,
    row_start: int,
) -> Records:
    """Count the texts of a column; see `Vocabulary`."""
    numbers = table.points[:, column].astype(np.int64)
    sizes = [np.bincount(numbers[rows], minlength=len(texts)) for rows in (training, complete & ~training)]
    found, first = np.unique(numbers[complete], return_index=True)
    rows = np.flatnonzero(complete)[first] + row_start
    keys = as_keys([text_key(column, texts[number]) for number in found.tolist()], str)
    return Records(keys, np.column_stack([sizes[0][found], sizes[1][found], rows]).astype(np.float64))


@dataclass(frozen=True)
class NumberJob(SampledJob):
    """A job over the training rows' columns of numbers, by the state's `encoding`."""

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the encoding is none, or has other columns."""
        super().check(state, columns)
        if any(column >= columns for column in Encoding.from_array(state["encoding"]).columns):
            raise ValueError("a column is not among the input's")

    def numbers(self, block: Block, state: State) -> FloatArray:
        """Return the numbers of the training rows, shape (rows, d)."""
        columns = list(Encoding.from_array(state["encoding"]).numbers)
        found: FloatArray = block.table.points[self.training_rows(block)][:, columns].astype(np.float64)
        return found


@dataclass(frozen=True)
class NumberRanges(NumberJob):
    """Find the range of each column of numbers.

    Result: per column (the key) one row: how many numbers it has, the least, the greatest, and the least
    magnitude that is not zero (infinity if all are zero).
    """

    name: ClassVar[str] = "ranges"

    def map(self, block: Block, state: State) -> Records:
        """Describe a block."""
        numbers = self.numbers(block, state)
        known = ~np.isnan(numbers)
        magnitudes = np.where(known & (numbers != 0), np.abs(numbers), np.inf)
        ranges = np.column_stack(
            [
                known.sum(axis=0),
                np.where(known, numbers, np.inf).min(axis=0, initial=np.inf),
                np.where(known, numbers, -np.inf).max(axis=0, initial=-np.inf),
                magnitudes.min(axis=0, initial=np.inf),
            ]
        )
        return Records(np.arange(numbers.shape[1], dtype=np.int32), ranges)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Merge ranges."""
        count, low, high, smallest = values.T
        return np.array([[count.sum(), low.min(), high.max(), smallest.min()]])


@dataclass(frozen=True)
class NumberSums(NumberJob):
    """Add up the numbers of each column, exactly.

    Result: under key 0, the sums' limbs, shape (limbs, d).
    """

    grid: SumGrid

    name: ClassVar[str] = "sums"

    def map(self, block: Block, state: State) -> Records:
        """Cut and add a block's numbers."""
        numbers = self.terms(self.numbers(block, state), state)
        pieces = range(0, len(numbers), _PIECE_ROWS)
        limbs = [sum_all(self.grid.cut(numbers[start : start + _PIECE_ROWS])) for start in pieces]
        total = np.sum(limbs, axis=0) if limbs else np.zeros((self.grid.limbs, self.grid.columns))
        return Records.of_key(0, total.reshape(1, -1))

    def terms(self, numbers: FloatArray, state: State) -> FloatArray:
        """Return what is added for each number; nothing for a missing one."""
        return np.nan_to_num(numbers, nan=0.0)

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add the limbs up."""
        total: FloatArray = values.sum(axis=0, keepdims=True)
        return total


@dataclass(frozen=True)
class SquaredDeviations(NumberSums):
    """Add up the squared deviations of each column's numbers from the state's `means`.

    The squares are rounded to multiples of 2**(top - SQUARE_BITS), and added exactly.
    """

    name: ClassVar[str] = "deviations"

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if there is not one mean for each column."""
        super().check(state, columns)
        if state["means"].shape != (self.grid.columns,):
            raise ValueError("there is not one mean for each column")

    def terms(self, numbers: FloatArray, state: State) -> FloatArray:
        """Return the squares; of a missing number, 0."""
        squares = np.nan_to_num((numbers - state["means"]) ** 2, nan=0.0)
        places = SQUARE_BITS - np.array(self.grid.top)
        rounded: FloatArray = np.ldexp(np.rint(np.ldexp(squares, places)), -places)
        return rounded
