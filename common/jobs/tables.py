"""Jobs about the columns of a table: the texts that occur, and the range, mean and deviation of numbers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from common.jobs.base import Job, check_floats
from common.jobs.encoding import BoolArray, Encoding, Sample
from common.kernels.exact import SumGrid, sum_all
from common.model import Block, FloatArray, Key, KeyType, Records, State, as_keys

SQUARE_BITS = 40
"""Of a squared deviation, below the greatest, which are added. n rows have a variance of at least the
greatest square / n, so the roundings change it by less than one part in 2**40 / sqrt(n)."""
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

    def sampled_rows(self, block: Block) -> tuple[BoolArray, BoolArray]:
        """Tell which rows count: the training rows, and the test rows."""
        test = self.sample.test_rows(block.row_start, len(block.table))
        complete = self.sample.complete_rows(block.table)
        return complete & ~test, complete & test


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
        samples = self.sampled_rows(block)
        parts = [_counted(block, column, texts, samples) for column, texts in block.table.texts.items()]
        return Records.concatenate([*parts, Records.empty(str)])

    def reduce(self, key: Key, values: FloatArray) -> FloatArray:
        """Add the counts up; take the first row."""
        return np.array([[values[:, 0].sum(), values[:, 1].sum(), values[:, 2].min()]])


def _counted(
    block: Block, column: int, texts: tuple[str, ...], samples: tuple[BoolArray, BoolArray]
) -> Records:
    """Count the texts of a column in the training and the test rows; see `Vocabulary`."""
    numbers = block.table.points[:, column].astype(np.int64)
    sizes = [np.bincount(numbers[rows], minlength=len(texts)) for rows in samples]
    first, rows = np.zeros(len(texts), np.int64), np.flatnonzero(samples[0] | samples[1])[::-1]
    first[numbers[rows]] = rows  # of several values for a place, the last one stays
    found = np.flatnonzero(sizes[0] + sizes[1])
    keys = as_keys([text_key(column, texts[number]) for number in found.tolist()], str)
    counts = [size[found] for size in sizes]
    return Records(keys, np.column_stack([*counts, first[found] + block.row_start]).astype(np.float64))


@dataclass(frozen=True)
class NumberJob(SampledJob):
    """A job over the training rows' columns of numbers, by the state's `encoding`."""

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the encoding is none, or has other columns, or one twice."""
        super().check(state, columns)
        used = list(Encoding.from_array(state["encoding"]).columns)
        if len(set(used)) < len(used) or not set(used) <= set(range(columns)):
            raise ValueError("a column is not among the input's, or comes twice")

    def numbers(self, block: Block, state: State) -> Iterator[FloatArray]:
        """Yield the numbers of some training rows at a time, shape (d, rows): NumPy is fast along rows."""
        columns = list(Encoding.from_array(state["encoding"]).numbers)
        (training, _), points = self.sampled_rows(block), block.table.points
        for start in range(0, len(points), _PIECE_ROWS):
            piece = slice(start, start + _PIECE_ROWS)
            chosen = points[piece][training[piece]][:, columns]
            yield np.ascontiguousarray(chosen.T, np.float64)


@dataclass(frozen=True)
class NumberRanges(NumberJob):
    """Find the range of each column of numbers.

    Result: per column (the key) one row: how many numbers it has, the least, the greatest, and the least
    magnitude that is not zero (infinity if all are zero).
    """

    name: ClassVar[str] = "ranges"

    def map(self, block: Block, state: State) -> Records:
        """Describe each piece of a block."""
        return Records.concatenate([self._describe(numbers) for numbers in self.numbers(block, state)])

    def _describe(self, numbers: FloatArray) -> Records:
        magnitudes = np.abs(numbers)
        magnitudes[magnitudes == 0] = np.inf
        ranges = [
            np.count_nonzero(~np.isnan(numbers), axis=1),
            np.fmin.reduce(numbers, axis=1, initial=np.inf),
            np.fmax.reduce(numbers, axis=1, initial=-np.inf),
            np.fmin.reduce(magnitudes, axis=1, initial=np.inf),
        ]
        return Records(np.arange(len(numbers), dtype=np.int32), np.column_stack(ranges))

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

    def check(self, state: State, columns: int) -> None:
        """Raise ValueError if the grid has other columns."""
        super().check(state, columns)
        if len(Encoding.from_array(state["encoding"]).numbers) != self.grid.columns:
            raise ValueError("the grid is not that of the columns of numbers")

    def map(self, block: Block, state: State) -> Records:
        """Cut and add a block's numbers; a missing one adds nothing."""
        total = np.zeros((self.grid.limbs, self.grid.columns))
        for numbers in self.numbers(block, state):
            terms = self.terms(numbers, state)
            terms[np.isnan(terms)] = 0.0
            total += sum_all(self.grid.cut(terms.T))
        return Records.of_key(0, total.reshape(1, -1))

    def terms(self, numbers: FloatArray, state: State) -> FloatArray:
        """Return what is added for each number."""
        return numbers

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
        check_floats(state, means=(self.grid.columns,))

    def terms(self, numbers: FloatArray, state: State) -> FloatArray:
        """Return the squares, rounded."""
        squares: FloatArray = (numbers - state["means"][:, None]) ** 2
        # Adding 1.5 * 2**(q + 52) pushes every bit below 2**q off the end of the significand.
        constants = np.ldexp(1.5, np.array(self.grid.top) - SQUARE_BITS + 52)[:, None]
        squares += constants
        squares -= constants
        return squares
