"""How a row enters the arithmetic: as it is, or in a unit that the state names.

The state of any job may have "row_offsets" and "row_scales", float64, a number a column. Then every job sees
(row - offset) / scale in the place of the row, computed in float64; on every engine, because all of them map
rows by `common.jobs.apply`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from common.jobs.base import Memory
from common.model import FloatArray, PointArray, Rows, State

_OFFSETS, _SCALES, _KEPT = "row_offsets", "row_scales", "rows as they enter"


def entry_state(offsets: FloatArray, scales: FloatArray) -> dict[str, npt.NDArray[Any]]:
    """Return what a state needs for rows to enter so."""
    return {_OFFSETS: offsets, _SCALES: scales}


def as_they_enter(rows: Rows, state: State, memory: Memory) -> Rows:
    """Return the rows of a split as they enter; others than they are stay in memory from call to call."""
    if _SCALES not in state:
        return rows
    assert isinstance(rows, np.ndarray)
    unit = state[_OFFSETS].tobytes(), state[_SCALES].tobytes()
    if memory.get(_KEPT, (None, None))[0] != unit:
        memory[_KEPT] = unit, in_unit(rows, state[_OFFSETS], state[_SCALES])
    entered: FloatArray = memory[_KEPT][1]
    return entered


def in_unit(points: PointArray, offsets: FloatArray, scales: FloatArray) -> FloatArray:
    """Return (point - offset) / scale for points of shape (n, d)."""
    found: FloatArray = np.subtract(points, offsets, dtype=np.float64)
    found /= scales
    return found
