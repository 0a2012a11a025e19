"""How a row enters the arithmetic: as it is, or as the state says.

The state of any job may have "row_offsets" and "row_scales", float64, a number a column: then every job sees
(row - offset) / scale in the place of the row. It may have "row_directions", int64, a number of columns: then
every job sees a row of so many, scaled or not, divided by its Euclidean length. Columns beyond these, which
hold weights, stay. All is computed in float64, row by row; on every engine, because all of them map rows by
`common.jobs.apply`.
"""

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from common.jobs.base import Memory
from common.kernels.sparse import SparseRows
from common.model import FloatArray, PointArray, Rows, State

_OFFSETS, _SCALES, _DIRECTIONS = NAMES = ("row_offsets", "row_scales", "row_directions")
_KEPT = "rows as they enter"

_Rows = TypeVar("_Rows", bound=Rows | SparseRows)

Entry = dict[str, npt.NDArray[Any]]
"""What a state needs for rows to enter so."""


def scaling(offsets: FloatArray, scales: FloatArray) -> Entry:
    """Return what makes rows enter as (row - offset) / scale."""
    return {_OFFSETS: offsets, _SCALES: scales}


def of_length_one(columns: int) -> Entry:
    """Return what makes rows of so many columns enter divided by their lengths."""
    return {_DIRECTIONS: np.array([columns], np.int64)}


def as_they_enter(rows: _Rows, state: State, memory: Memory) -> tuple[_Rows | FloatArray, Memory]:
    """Return the rows of a split as they enter, and the memory of what jobs have left for these rows.

    Other rows than they are stay in memory from call to call, and with them what belongs to them.
    """
    entry = {name: state[name].tobytes() for name in NAMES if name in state}
    if not entry:
        return rows, memory
    assert isinstance(rows, np.ndarray)
    if memory.get(_KEPT, (None,))[0] != entry:
        memory[_KEPT] = entry, enter(rows, state), {}
    entered: FloatArray = memory[_KEPT][1]
    of_entered: Memory = memory[_KEPT][2]
    return entered, of_entered


def enter(points: PointArray, entry: State) -> FloatArray:
    """Return points, shape (n, d), as they enter; they may have weights beside them."""
    found = np.array(points, np.float64)
    if _SCALES in entry:
        scaled = found[:, : len(entry[_SCALES])]
        scaled -= entry[_OFFSETS]
        scaled /= entry[_SCALES]
    if _DIRECTIONS in entry:
        own = found[:, : entry[_DIRECTIONS][0]]
        own[:] = directions(own)
    return found


def directions(points: FloatArray) -> FloatArray:
    """Return points divided by their Euclidean lengths; zeros stay.

    Their squares are added in column order, and scaled by a power of two first, so that none vanishes.
    """
    exponents = np.frexp(np.abs(points).max(axis=1))[1]
    scaled: FloatArray = np.ldexp(points, -exponents[:, None])
    total = np.zeros(len(points))
    for column in scaled.T:
        total += column * column
    lengths = np.sqrt(total)
    lengths[lengths == 0] = 1.0
    scaled /= lengths[:, None]
    return scaled
