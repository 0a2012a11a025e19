"""The functions by which Dask's workers take in rows that Dask itself has."""

from typing import Any

import numpy as np

from common.formats.columns import are_usable, problem_with
from common.model import FloatType, PointArray


def block_of(data: Any) -> PointArray | str:
    """Return rows of an array or a data frame as jobs want them, or what is wrong with them."""
    try:
        points = np.asarray(data)
        single = points.dtype == np.float32
        points = np.ascontiguousarray(points, np.float32 if single else np.float64)
    except (TypeError, ValueError) as error:
        return f"not all of it is numbers: {error}"
    kind = FloatType(points.dtype.name)
    if are_usable(points, kind):
        return points
    return next(problem for value in points.flat if (problem := problem_with(value, kind)))


def refusal_or_rows(block: PointArray | str) -> str | int:
    """Tell what is wrong with a block, or how many rows it has."""
    return block if isinstance(block, str) else len(block)
