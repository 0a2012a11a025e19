"""Passes over rows: the sums of the gradient and of the curvature, and the probabilities.

Every number that is added was rounded to a grid first (`Grid`), so it is an integer, and neither the order of
the rows nor their division into parts can change a sum. Sums of some rows are held in int64, and of many as
limbs (`common.kernels.logistic.sums`). A row of weight 0 is not read at all.
"""

import math
from collections.abc import Iterator

import numpy as np
from numba import njit

from common.kernels.compiling import kernel
from common.kernels.limbs import read_only
from common.kernels.logistic import blocks
from common.kernels.logistic.blocks import BLOCK_ROWS, RowNumbers, positions_of, room_for, rows_of, spread
from common.kernels.logistic.design import Design, Grid, Scaling
from common.kernels.logistic.elementary import log
from common.kernels.logistic.sums import LIMB_BITS, carried, magic, split
from common.model import FloatArray

_CHUNK_ROWS = 1 << 18
"""Rows whose sums fit in int64, with room to spare: 2**20 would."""

_PIECE_NUMBERS = 1 << 21
"""Probabilities that are held at a time: 16 MiB."""

_LOW_LIMB = (1 << LIMB_BITS) - 1


def gradient_sums(design: Design, scaling: Scaling, grid: Grid, theta: FloatArray) -> FloatArray:
    """Return the sums of losses and gradients at `theta`, shape (K, p), as limbs of shape (K, 2, 1 + p).

    Per class k: the loss of the rows whose class is k, weighted, in units of `Grid.loss_unit`; then the
    gradient of the weighted losses of all rows by the parameters of class k, in `Grid.gradient_units`.
    """
    classes, parameters = theta.shape
    d = len(design.numbers)
    rows, positions = rows_of(design, scaling, theta), positions_of(d, parameters)
    room, constants = room_for(rows), spread(magic(grid.gradient_units(parameters)), d)
    loss_magic, limbs = math.ldexp(1.5, grid.loss_unit + 52), np.zeros((classes, 2, 1 + parameters))
    for chosen in _chunks(design, 0, 1):
        losses, sums = np.zeros((2, classes), np.int64), np.zeros(rows.theta.shape, np.int64)
        _add_gradients(rows, chosen, room, read_only(constants), loss_magic, losses, sums)
        limbs[:, :, 0] += losses.T
        limbs[:, :, 1:] += split(sums[:, positions])
        limbs = carried(limbs)
    return limbs


def curvature_sums(
    design: Design, scaling: Scaling, grid: Grid, theta: FloatArray, row_start: int, stride: int
) -> FloatArray:
    """Return the sums of second derivatives at `theta`, shape (K, p), as limbs of shape (pairs, p, 2, p).

    The pairs are those of classes k <= l among the first K - 1, in the order (0, 0), (0, 1), ..., (1, 1), ...
    Each has a symmetric matrix, of which the lower triangle is filled. The units are `Grid.curvature_units`.
    Of the rows, which begin at input row `row_start`, only those whose input row is a multiple of `stride`
    are used; `weight_of_stride` adds their weights.
    """
    classes, parameters = theta.shape
    d = len(design.numbers)
    rows, positions = rows_of(design, scaling, theta), positions_of(d, parameters)
    constants = spread(spread(magic(grid.curvature_units(parameters)), d).T, d)
    room, pairs, size = room_for(rows), classes * (classes - 1) // 2, rows.theta.shape[1]
    limbs = np.zeros((pairs, parameters, 2, parameters))
    for chosen in _chunks(design, row_start, stride):
        sums = np.zeros((pairs, size, size), np.int64)
        _add_curvatures(rows, chosen, room, read_only(constants), sums)
        limbs += split(np.tril(sums[:, positions[:, None], positions]))
    return limbs


def weight_of_stride(design: Design, grid: Grid, row_start: int, stride: int) -> FloatArray:
    """Return the sum of the weights of the rows that `curvature_sums` uses, as limbs of shape (2, 1).

    With a stride of 1 it is that of all rows. The unit is `Grid.weight_unit`.
    """
    limbs = np.zeros((2, 1))
    for chosen in _chunks(design, row_start, stride):
        units = np.rint(np.ldexp(design.weights[chosen], -grid.weight_unit)).astype(np.int64)
        limbs += split(units.sum(keepdims=True))
    return limbs


def probabilities(design: Design, scaling: Scaling, theta: FloatArray) -> FloatArray:
    """Return the probability of each class for each row, shape (n, K); labels and weights are not used.

    The most probable class is that of `argmax`, which of equal ones takes the first.
    """
    rows = rows_of(design, scaling, theta)
    found = np.empty((len(design.points), len(theta)))
    _predict(rows, room_for(rows), found)
    return found


def in_pieces(design: Design, scaling: Scaling, theta: FloatArray) -> Iterator[tuple[slice, FloatArray]]:
    """Yield which rows, and their `probabilities`, some rows at a time: rows x classes may be too many."""
    size = max(BLOCK_ROWS, _PIECE_NUMBERS // len(theta))
    for start in range(0, len(design.points), size):
        rows = slice(start, start + size)
        yield rows, probabilities(design[rows], scaling, theta)


def _chunks(design: Design, row_start: int, stride: int) -> Iterator[RowNumbers]:
    """Yield the rows that count, some at a time: those of each stride-th input row with a weight."""
    n = len(design.weights)
    for start in range(-row_start % stride, n, _CHUNK_ROWS * stride):
        rows = np.arange(start, min(n, start + _CHUNK_ROWS * stride), stride, dtype=np.uint64)
        yield rows[design.weights[rows] > 0.0]


@kernel
def _predict(rows, room, out):  # type: ignore[no-untyped-def]
    for start in range(0, len(out), BLOCK_ROWS):
        block = np.arange(start, min(len(out), start + BLOCK_ROWS)).astype(np.uint64)
        blocks.predict(rows, block, room)
        for r in range(len(block)):
            for k in range(out.shape[1]):
                out[start + r, k] = room.scores[k, r]


@kernel
def _add_gradients(rows, chosen, room, constants, loss_magic, losses, sums):  # type: ignore[no-untyped-def]
    """Add what the chosen rows give, as integers."""
    for start in range(0, len(chosen), BLOCK_ROWS):
        block = chosen[start : start + BLOCK_ROWS]
        n = len(block)
        blocks.load(rows, block, room)
        blocks.score(rows, n, room)
        blocks.shift(n, room)
        for r in range(n):
            room.own[r] = room.scores[room.labels[r], r]
        blocks.exponentiate(n, room)
        _add_losses(n, room, loss_magic, losses)
        blocks.normalise(n, room)
        _subtract_labels(n, room)
        _add_numbers(n, room, constants, sums)
        _add_categories(n, room, constants[len(rows.numbers)], sums)


@kernel
def _add_losses(n, room, magic, losses):  # type: ignore[no-untyped-def]
    """Add each row's weighted loss to that of its class, as limbs of shape (2, K)."""
    labels, units, bits = room.labels, room.units, np.float64(magic).view(np.int64)
    for r in range(n):
        loss = (log(room.total[r]) - room.own[r]) * room.weights[r]
        units[0, r] = np.float64(loss + magic).view(np.int64) - bits
    for r in range(n):
        losses[0, labels[r]] += units[0, r] >> LIMB_BITS
        losses[1, labels[r]] += units[0, r] & _LOW_LIMB


@kernel
def _subtract_labels(n, room):  # type: ignore[no-untyped-def]
    """Turn probabilities into the derivatives of the weighted losses by the scores."""
    scores = room.scores
    for r in range(n):
        scores[room.labels[r], r] -= 1.0
    for k in range(len(scores)):
        for r in range(n):
            scores[k, r] *= room.weights[r]


@kernel
def _add_numbers(n, room, constants, sums):  # type: ignore[no-untyped-def]
    """Add the products of the derivatives with the columns."""
    for k in range(len(sums)):
        _add_products(room.scores[k], room.columns, n, constants, len(room.columns), sums[k])


@njit(inline="always")
def _add_products(factors, columns, n, constants, width, sums):  # type: ignore[no-untyped-def]
    """Round the products of one vector with the first `width` columns, and add them up, four at a time.

    The constants' own bits are subtracted at the end, modulo 2**64: the sum of all bits may overflow, the
    difference does not.
    """
    for j in range(0, width, 4):
        a, b, c, d = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        m0, m1, m2, m3 = constants[j], constants[j + 1], constants[j + 2], constants[j + 3]
        for r in range(n):
            x = factors[r]
            a += np.float64(x * columns[j, r] + m0).view(np.int64)
            b += np.float64(x * columns[j + 1, r] + m1).view(np.int64)
            c += np.float64(x * columns[j + 2, r] + m2).view(np.int64)
            d += np.float64(x * columns[j + 3, r] + m3).view(np.int64)
        sums[j] += a - n * np.float64(m0).view(np.int64)
        sums[j + 1] += b - n * np.float64(m1).view(np.int64)
        sums[j + 2] += c - n * np.float64(m2).view(np.int64)
        sums[j + 3] += d - n * np.float64(m3).view(np.int64)


@kernel
def _add_categories(n, room, magic, sums):  # type: ignore[no-untyped-def]
    """Add the derivatives to their rows' categories."""
    places, units, bits = room.places, room.units, np.float64(magic).view(np.int64)
    for k in range(len(sums)):
        for r in range(n):
            units[k, r] = np.float64(room.scores[k, r] + magic).view(np.int64) - bits
        for c in range(len(places)):
            for r in range(n):
                sums[k, places[c, r]] += units[k, r]


@kernel
def _add_curvatures(rows, chosen, room, constants, sums):  # type: ignore[no-untyped-def]
    """Add what the chosen rows give, as integers: the lower triangle, and some above it."""
    last = len(room.scores) - 1
    for start in range(0, len(chosen), BLOCK_ROWS):
        block = chosen[start : start + BLOCK_ROWS]
        n, pair = len(block), 0
        blocks.predict(rows, block, room)
        _transpose(n, room)
        for k in range(last):
            for m in range(k, last):
                _weigh_pair(n, room, k, m)
                _add_squares(n, room, constants, sums[pair])
                if len(room.places):
                    _add_crossings(n, len(rows.numbers), room, constants[len(rows.numbers)], sums[pair])
                pair += 1


@kernel
def _weigh_pair(n, room, k, m):  # type: ignore[no-untyped-def]
    """Compute the second derivatives of the weighted losses by the scores of classes k and m."""
    probabilities, factors = room.scores, room.own
    if k == m:
        for r in range(n):
            factors[r] = probabilities[k, r] * (1.0 - probabilities[k, r]) * room.weights[r]
    else:
        for r in range(n):
            factors[r] = -(probabilities[k, r] * probabilities[m, r]) * room.weights[r]


@kernel
def _add_squares(n, room, constants, sums):  # type: ignore[no-untyped-def]
    """Add the products of all pairs of columns."""
    columns, products = room.columns, room.total
    for i in range(len(columns)):
        for r in range(n):
            products[r] = room.own[r] * columns[i, r]
        _add_products(products, columns, n, constants[i], i // 4 * 4 + 4, sums[i])


@kernel
def _transpose(n, room):  # type: ignore[no-untyped-def]
    """Copy the columns of a block row by row."""
    for r in range(n):
        for j in range(len(room.columns)):
            room.by_row[r, j] = room.columns[j, r]


@kernel
def _add_crossings(n, intercept, room, constants, sums):  # type: ignore[no-untyped-def]
    """Add the products of categories with columns, and with each other: those of the intercept."""
    by_row, places, units = room.by_row, room.places, room.row_units
    width = len(units)
    for r in range(n):
        factor = room.own[r]
        for j in range(width):
            units[j] = np.float64(factor * by_row[r, j] + constants[j]).view(np.int64)
            units[j] -= np.float64(constants[j]).view(np.int64)
        for c in range(len(places)):
            place = places[c, r]
            for j in range(width):
                sums[place, j] += units[j]
            for other in range(c + 1):
                low, high = min(place, places[other, r]), max(place, places[other, r])
                sums[high, low] += units[intercept]
