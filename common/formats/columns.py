"""Which columns of a file are used, and whether their numbers are usable."""

import numpy as np

from common.errors import InputError, UsageError
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatArray


def choose_columns(path: str, wanted: str | None, names: list[str], fields: int) -> tuple[int, ...]:
    """Turn `--columns` into positions.

    Parameters
    ----------
    path
        The file, for messages.
    wanted
        Names, or positions and ranges of positions counted from 1 ("1,3-5"); None for all columns.
    names
        The columns' names; empty if the file has none.
    fields
        How many columns the file has.

    Returns
    -------
    tuple of int
        Positions counted from 0, in the order wanted.
    """
    if wanted is None:
        return tuple(range(fields))
    chosen: list[int] = []
    for token in (part.strip() for part in wanted.split(",")):
        chosen += [names.index(token)] if token in names else _positions(path, token, names, fields)
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"--columns {wanted}: a column is named twice")
    return tuple(chosen)


def _positions(path: str, token: str, names: list[str], fields: int) -> list[int]:
    first, dash, last = token.partition("-")
    try:
        low, high = int(first), int(last) if dash else int(first)
    except ValueError:
        known = f"its columns are {', '.join(names)}" if names else "it has no header line"
        raise UsageError(f"--columns: {path} has no column '{token}'; {known}") from None
    if not 1 <= low <= high <= fields:
        raise UsageError(f"--columns {token}: {path} has columns 1 to {fields}")
    return list(range(low - 1, high))


def problem_with(value: float) -> str | None:
    """Say what makes a number unusable, or None."""
    value = float(value)  # a NumPy number would show its type
    if np.isnan(value):
        return "nan is not a number that can be clustered"
    if np.isinf(value):
        return "infinity cannot be clustered"
    if abs(value) > LARGEST_MAGNITUDE:
        return f"{value!r} is beyond ±{LARGEST_MAGNITUDE:.3g}, where squared distances overflow"
    return None


def are_usable(points: FloatArray) -> bool:
    """Tell whether all numbers can be clustered."""
    # Written so that nan fails the comparison too.
    return not points.size or bool(
        points.max() <= LARGEST_MAGNITUDE and points.min() >= -LARGEST_MAGNITUDE
    )


def check_block(path: str, points: FloatArray, row_start: int, columns: tuple[int, ...]) -> FloatArray:
    """Return the points if all are usable; else name the first row and column that is not."""
    if not are_usable(points):
        row, column = np.argwhere(~(np.abs(points) <= LARGEST_MAGNITUDE))[0].tolist()
        what = problem_with(points[row, column]) or ""
        raise InputError.at(path, what, row=row_start + row + 1, column=columns[column] + 1)
    return points
