"""Blocks of rows, column by column: what all passes over rows share, compiled.

The inner loops run over the rows of a block and have no branch, so that the compiler makes vector code of
them; it may not reorder what is added. So a row's numbers depend on that row alone.

Columns are taken four at a time, which saves loads and stores. So each parameter has a *position*: after the
d numbers come a column of ones for the intercept, and columns of zeros up to a multiple of four; then one
position for each category, and one for "none".
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.kernels.logistic.design import Design, Scaling
from common.kernels.logistic.elementary import LARGEST_EXPONENT, exp
from common.model import FloatArray, IntArray, LongArray, PointArray

BLOCK_ROWS = 256
"""Rows whose columns stay in the core's nearest caches."""
_STRIDE = BLOCK_ROWS + 8
"""Between columns: a power of two would send all columns to the same few places of the cache."""
_TOGETHER = 4

RowNumbers = npt.NDArray[np.uint64]


class Rows(NamedTuple):
    """A design and its scaling, as arrays for compiled code."""

    points: PointArray
    numbers: npt.NDArray[np.uint64]
    codes: IntArray
    labels: IntArray
    weights: FloatArray
    mean: FloatArray
    inverse: FloatArray
    theta: FloatArray
    """Shape (K, positions)."""


class Room(NamedTuple):
    """A block of rows; the last axis is the row."""

    columns: FloatArray
    """Standardised numbers, ones, zeros: shape (width, ...)."""
    by_row: FloatArray
    """The same, row by row: shape (BLOCK_ROWS, width)."""
    places: npt.NDArray[np.uint64]
    """The position of each category: shape (c, ...)."""
    labels: npt.NDArray[np.uint64]
    weights: FloatArray
    scores: FloatArray
    """Of each class, shape (K, ...); then its probability."""
    largest: FloatArray
    """Of the row's scores."""
    total: FloatArray
    """Of the exponentials of the row's scores, less the largest."""
    own: FloatArray
    """The score of the row's class, less the largest."""
    units: LongArray
    """Numbers of each class rounded to the grid, as integers: shape (K, ...)."""
    row_units: LongArray
    """Numbers of one row rounded to the grid, as integers: shape (width,)."""


def width_of(numbers: int) -> int:
    """Return how many columns a block has for so many numbers, the intercept among them."""
    return -(-(numbers + 1) // _TOGETHER) * _TOGETHER


def positions_of(numbers: int, parameters: int) -> LongArray:
    """Return the position of each parameter, shape (p,); there is one more, for no category."""
    categories = width_of(numbers) + np.arange(parameters - numbers - 1)
    return np.concatenate([np.arange(numbers + 1), categories])


def spread(values: FloatArray, numbers: int) -> FloatArray:
    """Move values, shape (..., p), to their positions; the others are 0."""
    positions = positions_of(numbers, values.shape[-1])
    size = width_of(numbers) + values.shape[-1] - numbers
    moved = np.zeros((*values.shape[:-1], size))
    moved[..., positions] = values
    return moved


def rows_of(design: Design, scaling: Scaling, theta: FloatArray) -> Rows:
    """Make arrays of the kinds that the code is compiled for."""
    return Rows(
        points=read_only(design.points),
        numbers=read_only(design.numbers.astype(np.uint64)),
        codes=read_only(np.ascontiguousarray(design.codes, np.int32)),
        labels=read_only(np.ascontiguousarray(design.labels, np.int32)),
        weights=read_only(np.ascontiguousarray(design.weights, np.float64)),
        mean=read_only(np.ascontiguousarray(scaling.mean, np.float64)),
        inverse=read_only(scaling.inverse),
        theta=read_only(spread(theta, len(design.numbers))),
    )


def room_for(rows: Rows) -> Room:
    """Make room for blocks."""
    d, classes = len(rows.numbers), len(rows.theta)
    columns = np.zeros((width_of(d), _STRIDE))
    columns[d] = 1.0
    largest, total, own, weights = np.zeros((4, BLOCK_ROWS))
    return Room(
        columns=columns,
        by_row=np.empty((BLOCK_ROWS, len(columns))),
        places=np.zeros((rows.codes.shape[1], _STRIDE), np.uint64),
        labels=np.zeros(BLOCK_ROWS, np.uint64),
        weights=weights,
        scores=np.zeros((classes, _STRIDE)),
        largest=largest,
        total=total,
        own=own,
        units=np.zeros((classes, _STRIDE), np.int64),
        row_units=np.zeros(len(columns), np.int64),
    )


@kernel
def load(rows, block, room):  # type: ignore[no-untyped-def]
    """Standardise the rows of a block, and look up their categories, labels and weights."""
    points, numbers, mean, inverse = rows.points, rows.numbers, rows.mean, rows.inverse
    columns, places, width = room.columns, room.places, np.int64(len(room.columns))
    none = np.uint64(rows.theta.shape[1] - 1)
    for r in range(len(block)):
        row = block[r]
        for j in range(len(numbers)):
            x = (np.float64(points[row, numbers[j]]) - mean[j]) * inverse[j]
            columns[j, r] = x if x == x else 0.0
        for c in range(len(places)):
            code = rows.codes[row, c]
            places[c, r] = np.uint64(width + code) if code >= 0 else none
        room.labels[r], room.weights[r] = rows.labels[row], rows.weights[row]


@kernel
def score(rows, n, room):  # type: ignore[no-untyped-def]
    """Compute the scores of n rows: added in the order of the parameters, starting from 0."""
    theta, columns, places, scores = rows.theta, room.columns, room.places, room.scores
    for k in range(len(theta)):
        for r in range(n):
            scores[k, r] = 0.0
        for j in range(0, len(columns), 4):
            a, b, c, d = theta[k, j], theta[k, j + 1], theta[k, j + 2], theta[k, j + 3]
            for r in range(n):
                total = scores[k, r] + a * columns[j, r]
                total = total + b * columns[j + 1, r]
                total = total + c * columns[j + 2, r]
                scores[k, r] = total + d * columns[j + 3, r]
        for c in range(len(places)):
            for r in range(n):
                scores[k, r] += theta[k, places[c, r]]


@kernel
def shift(n, room):  # type: ignore[no-untyped-def]
    """Subtract from the scores of each row the largest; cut what is less than -708."""
    scores, largest = room.scores, room.largest
    for r in range(n):
        largest[r] = scores[0, r]
    for k in range(1, len(scores)):
        for r in range(n):
            largest[r] = max(scores[k, r], largest[r])
    for k in range(len(scores)):
        for r in range(n):
            scores[k, r] = max(scores[k, r] - largest[r], -LARGEST_EXPONENT)


@kernel
def exponentiate(n, room):  # type: ignore[no-untyped-def]
    """Turn scores into exponentials, and add them in the order of the classes."""
    scores, total = room.scores, room.total
    for r in range(n):
        total[r] = 0.0
    for k in range(len(scores)):
        for r in range(n):
            e = exp(scores[k, r])
            scores[k, r] = e
            total[r] += e


@kernel
def normalise(n, room):  # type: ignore[no-untyped-def]
    """Turn exponentials into probabilities."""
    scores, total = room.scores, room.total
    for k in range(len(scores)):
        for r in range(n):
            scores[k, r] /= total[r]


@kernel
def predict(rows, block, room):  # type: ignore[no-untyped-def]
    """Load rows and compute their probabilities, into `room.scores`."""
    n = len(block)
    load(rows, block, room)
    score(rows, n, room)
    shift(n, room)
    exponentiate(n, room)
    normalise(n, room)
