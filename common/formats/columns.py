"""Which columns of a file are used, and whether their numbers are usable."""

import csv
import io
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from common.errors import InputError, UsageError, shortened
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatType, Input, PointArray

EMPTY_FIELD = "the field is empty; every field needs a number"
HOW_TO_GO_ON = "to go on without what is missing: --missing mean or --missing skip"
MISSING_TEXT = f"the field is empty; {HOW_TO_GO_ON}"
_BLOCK_BYTES = 1 << 20

_LARGEST = {
    # What rounds to the greatest float32; half a unit in its last place more rounds to infinity.
    FloatType.FLOAT32: math.nextafter((2 - 2**-24) * 2.0**127, 0),
    FloatType.FLOAT64: LARGEST_MAGNITUDE,
}


@dataclass(frozen=True)
class ColumnChoice:
    """Which columns the user wants, as lists of names and positions; None for all columns.

    With `takes_texts` columns of texts are categories, and those of `categories` are, whatever they hold. The
    one of `target` comes last, and is one of texts.
    """

    wanted: str | None = None
    takes_texts: bool = False
    target: str | None = None
    categories: str | None = None
    keeps_missing: bool = False


ALL_COLUMNS = ColumnChoice()


class ChosenColumns(NamedTuple):
    """Positions in the file of the columns used, and which of them, by position among them, hold texts."""

    columns: tuple[int, ...]
    texts: tuple[int, ...] = ()


def choose(
    path: str,
    choice: ColumnChoice,
    names: list[str],
    candidates: Sequence[int],
    fields: int,
    hold_texts: Collection[int],
) -> ChosenColumns:
    """Choose columns; see `choose_columns`.

    `candidates` are those to take if the user names none, and `hold_texts` those that hold texts by the file.
    """
    columns = tuple(candidates)
    if choice.wanted is not None:
        columns = choose_columns(path, choice.wanted, names, fields)
    if not choice.takes_texts:
        return ChosenColumns(columns)
    target = _choose_some(path, choice.target, names, fields, "--target")
    categories = _choose_some(path, choice.categories, names, fields, "--categories")
    if len(target) > 1:
        raise UsageError(f"--target {choice.target} names several columns, but must name one")
    if choice.wanted is None:
        columns = tuple(column for column in columns if column not in target)
    if not set(target).isdisjoint((*columns, *categories)):
        raise UsageError(f"--target {choice.target} is one of --columns or --categories, too")
    if not columns:
        raise UsageError(f"{path} has no column besides --target {choice.target}")
    if others := set(categories) - set(columns):
        raise UsageError(f"--categories: column {min(others) + 1} of {path} is not one of --columns")
    used = (*columns, *target)
    as_texts = {*hold_texts, *categories, *target}
    return ChosenColumns(used, tuple(i for i, column in enumerate(used) if column in as_texts))


def as_chosen(source: Input, choice: ColumnChoice, texts: tuple[int, ...]) -> Input:
    """Return an input with what the choice says of its rows."""
    return replace(source, is_table=choice.takes_texts, texts=texts, keeps_missing=choice.keeps_missing)


def _choose_some(
    path: str, wanted: str | None, names: list[str], fields: int, option: str
) -> tuple[int, ...]:
    return () if wanted is None else choose_columns(path, wanted, names, fields, option)


def choose_columns(
    path: str, wanted: str | None, names: list[str], fields: int, option: str = "--columns"
) -> tuple[int, ...]:
    """Turn an option such as `--columns` into positions.

    `wanted` has names, or positions and ranges of positions counted from 1 ("1,3-5"); None for all columns.
    `names` are those of the file's `fields` columns, if it has names. The result counts from 0, in the order
    wanted.
    """
    if wanted is None:
        return tuple(range(fields))
    chosen: list[int] = []
    for token in [wanted] if wanted in names else _tokens(wanted):
        if names.count(token) > 1:
            same = position_list([i for i, name in enumerate(names, 1) if name == token])
            raise UsageError(f"{option} {token}: {path} has several columns of that name; say which: {same}")
        chosen += [names.index(token)] if token in names else _positions(path, token, names, fields, option)
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"{option} {wanted} names a column twice")
    return tuple(chosen)


def _tokens(wanted: str) -> list[str]:
    """Cut a list at its commas; a name that has some is in double quotes."""
    (tokens,) = csv.reader([wanted.replace("\n", " ")], skipinitialspace=True)
    return [token.strip() for token in tokens] or [""]


def list_of(names: Sequence[str]) -> str:
    """Write names as `--columns` takes them."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def columns_without(columns: Sequence[int], left_out: int) -> str:
    """Return what to give to `--columns` to use all of these columns but one."""
    kept = [column + 1 for i, column in enumerate(columns) if i != left_out]
    return position_list(kept)


def position_list(positions: Sequence[int]) -> str:
    """Write positions as `--columns` takes them: "1,3-5"."""
    runs: list[list[int]] = []
    for position in positions:
        if runs and position == runs[-1][-1] + 1:
            runs[-1].append(position)
        else:
            runs.append([position])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _positions(path: str, token: str, names: list[str], fields: int, option: str) -> list[int]:
    first, dash, last = token.partition("-")
    try:
        low, high = int(first), int(last) if dash else int(first)
    except ValueError:
        known = f"its columns are {shortened(', '.join(names), 400)}" if names else "it has no header line"
        raise UsageError(f"{option}: {path} has no column '{token}'; {known}") from None
    if not 1 <= low <= high <= fields:
        raise UsageError(f"{option} {token}: {path} has only columns 1 to {fields}")
    return list(range(low - 1, high))


def problem_with(value: float, dtype: FloatType) -> str | None:
    """Say what makes a number unusable, or None."""
    value = float(value)  # a NumPy number would show its type
    if np.isnan(value):
        return "nan is not a number"
    if np.isinf(value):
        return "infinity is not allowed"
    if abs(value) <= _LARGEST[dtype]:
        return None
    if dtype is FloatType.FLOAT32:
        return f"{value!r} does not fit a float32"
    return f"{value!r} is larger than ±{LARGEST_MAGNITUDE:.3g}; squared distances would overflow"


def are_usable(points: PointArray, dtype: FloatType) -> bool:
    """Tell whether all numbers can be used."""
    largest = _LARGEST[dtype]
    # Written so that nan fails the comparisons too.
    return not points.size or (float(points.max()) <= largest and float(points.min()) >= -largest)


def usable(points: PointArray, source: Input, row_start: int) -> PointArray:
    """Return rows of the used columns rounded to the input's dtype, a view if they are so already.

    `row_start` is the row of `points[0]` in the file, from 0. Raise InputError if a number cannot be used;
    the text names the first row and column of that kind.
    """
    if are_usable(points, source.dtype):
        return points.astype(source.dtype, copy=False)
    within = np.abs(points.astype(np.float64)) <= _LARGEST[source.dtype]
    if source.keeps_missing:
        within |= np.isnan(points)
        if within.all():
            return points.astype(source.dtype, copy=False)
    row, column = np.argwhere(~within)[0].tolist()
    what = problem_with(points[row, column], source.dtype) or ""
    name = source.names[column] if source.names else ""
    raise InputError.at(
        source.path, what, row=row_start + row + 1, column=source.columns[column] + 1, name=name
    )


def block_rows(source: Input) -> int:
    """Return how many rows make a block that stays in the core's cache."""
    return max(1, _BLOCK_BYTES // (8 * len(source.columns)))
