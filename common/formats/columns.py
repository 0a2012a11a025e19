"""Which columns of a file are used, and whether their numbers are usable."""

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

import numpy as np

from common.errors import InputError, UsageError, did_you_mean, shortened
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatType, Input, PointArray

EMPTY_FIELD = "the field is empty; every field needs a number"
HOW_TO_GO_ON = "to go on without what is missing: --missing mean"
MISSING_TEXT = f"the field is empty; {HOW_TO_GO_ON}"
Wanted: TypeAlias = str | tuple[str, ...]
LABELS = "cluster"
"""The column of labels, in a table of them."""
_BLOCK_BYTES = 1 << 20

LARGEST = {
    # What rounds to the greatest float32; half a unit in its last place more rounds to infinity.
    FloatType.FLOAT32: math.nextafter((2 - 2**-24) * 2.0**127, 0),
    FloatType.FLOAT64: LARGEST_MAGNITUDE,
}

_PIECE_NUMBERS = 1 << 16
"""Of a piece that stays in a core's cache while it is looked at twice."""


@dataclass(frozen=True)
class ColumnChoice:
    """Which columns are wanted, as lists of names and positions; None for all columns.

    A list is written as one text, or has its parts apart. With `takes_texts` columns of texts are categories;
    those of `categories` are, whatever they hold. The one of `target` comes last, and is one of texts; so
    does the one of `weights`, which is one of numbers. Those of `ids` stand beside the labels ("all": whole
    rows do), and are not used unless they are wanted, too. With `by_model` a model has named the columns, and
    knows which hold texts: those of `categories` and `target`.
    """

    wanted: Wanted | None = None
    takes_texts: bool = False
    target: str | None = None
    categories: Wanted | None = None
    keeps_missing: bool = False
    by_model: bool = False
    weights: str | None = None
    ids: str | None = None

    @property
    def option(self) -> str:
        """What names the columns wanted."""
        return "--model" if self.by_model else "--columns"

    @property
    def last(self) -> tuple[str, str | None]:
        """The option that names the last column, and its name."""
        return ("--target", self.target) if self.weights is None else ("--weights", self.weights)


ALL_COLUMNS = ColumnChoice()


class IdColumns(NamedTuple):
    """The columns that stand beside the labels: their positions in the file, and their names."""

    columns: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


NO_IDS = IdColumns()


class ChosenColumns(NamedTuple):
    """Positions in the file of the columns used, and which of them, by position among them, hold texts."""

    columns: tuple[int, ...]
    texts: tuple[int, ...] = ()
    ids: IdColumns = NO_IDS


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
        columns = choose_columns(path, choice.wanted, names, fields, choice.option)
    option, name = choice.last
    target = _choose_some(path, name, names, fields, option)
    if len(target) > 1:
        raise UsageError(f"{option} {name} names several columns, but must name one")
    is_whole = choice.ids == "all" and "all" not in names
    ids = tuple(range(fields)) if is_whole else _choose_some(path, choice.ids, names, fields, "--id")
    categories = _choose_some(path, choice.categories, names, fields, "--categories")
    if choice.wanted is None:
        beside = target if is_whole else (*target, *ids)
        columns = tuple(column for column in columns if column not in beside)
    if not set(target).isdisjoint((*columns, *categories)):
        what = "is one of the columns to learn from, too; choose another, or leave it out there"
        raise UsageError(f"{option} {name} {what}")
    if (target or ids) and not columns:
        named = [f"{option} {name}"] * bool(target) + [f"--id {choice.ids}"] * bool(ids)
        raise UsageError(f"{path} has no column besides {' and '.join(named)}")
    if others := set(categories) - set(columns):
        raise UsageError(f"--categories: column {min(others) + 1} of {path} is not one of --columns")
    used = (*columns, *target)
    detects = choice.takes_texts and not choice.by_model
    as_texts = {*(hold_texts if detects else ()), *categories, *(target if choice.target else ())}
    if detects and names:
        _check_names(path, names, used)
    return ChosenColumns(
        used, tuple(i for i, column in enumerate(used) if column in as_texts), _id_columns(ids, names)
    )


def as_chosen(source: Input, choice: ColumnChoice, texts: tuple[int, ...]) -> Input:
    """Return an input with what the choice says of its rows."""
    return replace(
        source,
        is_table=choice.takes_texts,
        texts=texts,
        keeps_missing=choice.keeps_missing,
        has_weights=choice.weights is not None,
    )


def _check_names(path: str, names: list[str], used: Sequence[int]) -> None:
    """Raise InputError if a name does not tell which column it is: a model knows columns by their names."""
    for column in used:
        others = [i for i, name in enumerate(names) if name == names[column] and i != column]
        if not names[column]:
            raise InputError.at(path, "it has no name; give it one, or leave it out", column=column + 1)
        if others:
            what = f"column {others[0] + 1} has that name, too; rename one of them"
            raise InputError.at(path, what, column=column + 1, name=names[column])


def _choose_some(
    path: str, wanted: Wanted | None, names: list[str], fields: int, option: str
) -> tuple[int, ...]:
    return () if wanted is None else choose_columns(path, wanted, names, fields, option)


def _id_columns(ids: tuple[int, ...], names: list[str]) -> IdColumns:
    """Name the columns that stand beside the labels; UsageError if two columns of that table had one name."""
    unnamed = ("id",) if len(ids) == 1 else tuple(f"column {column + 1}" for column in ids)
    found = IdColumns(ids, tuple(names[column] for column in ids) if names else unnamed)
    for name in found.names:
        if (*found.names, LABELS).count(name) > 1:
            raise UsageError(
                f"--id: the table of labels would have two columns '{name}'; rename one in the input"
            )
    return found


def choose_columns(
    path: str, wanted: Wanted | None, names: list[str], fields: int, option: str = "--columns"
) -> tuple[int, ...]:
    """Turn an option such as `--columns` into positions.

    `wanted` has names, or positions and ranges of positions counted from 1 ("1,3-5"); None for all columns.
    `names` are those of the file's `fields` columns, if it has names. The result counts from 0, in the order
    wanted.
    """
    if wanted is None:
        return tuple(range(fields))
    chosen: list[int] = []
    for token in [wanted] if isinstance(wanted, str) and wanted in names else _tokens(wanted):
        if names.count(token) > 1:
            same = position_list([i for i, name in enumerate(names, 1) if name == token])
            raise UsageError(f"{option} {token}: {path} has several columns of that name; say which: {same}")
        chosen += [names.index(token)] if token in names else _positions(path, token, names, fields, option)
    if len(set(chosen)) < len(chosen):
        raise UsageError(f"{option} {wanted} names a column twice")
    return tuple(chosen)


def _tokens(wanted: Wanted) -> Sequence[str]:
    """Cut a list at its commas; a name that has some is in double quotes."""
    if not isinstance(wanted, str):
        return wanted
    (tokens,) = csv.reader([wanted.replace("\n", " ")], skipinitialspace=True)
    return [token.strip() for token in tokens] or [""]


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
        meant = did_you_mean(token, names)
        known = f"its columns are {shortened(', '.join(names), 400)}" if names else "it has no header line"
        raise UsageError(f"{option}: {path} has no column '{token}'; {known}{meant}") from None
    if 1 <= high < low:
        raise UsageError(f"{option} {token}: a range begins with the lower position: {high}-{low}")
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
    if abs(value) <= LARGEST[dtype]:
        return None
    if dtype is FloatType.FLOAT32:
        return f"{value!r} does not fit a float32"
    return f"{value!r} is larger than ±{LARGEST_MAGNITUDE:.3g}; squared distances would overflow"


def problem_in(source: Input, used: int, value: float) -> str | None:
    """Say what makes a number of a used column unusable, or None."""
    problem = problem_with(value, source.dtype)
    if problem is None and source.has_weights and used == len(source.columns) - 1 and value < 0:
        return f"{float(value)!r} is negative, which a weight must not be"
    return problem


def are_usable(points: PointArray, dtype: FloatType) -> bool:
    """Tell whether all numbers can be used."""
    largest, rows = LARGEST[dtype], max(1, _PIECE_NUMBERS * len(points) // max(1, points.size))
    pieces = (points[start : start + rows] for start in range(0, len(points), rows) if points.size)
    # Written so that nan fails the comparisons too.
    return all(float(each.max()) <= largest and float(each.min()) >= -largest for each in pieces)


def are_weighted(points: PointArray, source: Input) -> bool:
    """Tell whether the weights, if there are any, can be used."""
    return not source.has_weights or not (points[:, -1] < 0).any()


def usable(points: PointArray, source: Input, row_start: int) -> PointArray:
    """Return rows of the used columns rounded to the input's dtype, a view if they are so already.

    `row_start` is the row of `points[0]` in the file, from 0. Raise InputError if a number cannot be used;
    the text names the first row and column of that kind.
    """
    if are_usable(points, source.dtype) and are_weighted(points, source):
        return points.astype(source.dtype, copy=False)
    within = np.abs(points.astype(np.float64)) <= LARGEST[source.dtype]
    if source.keeps_missing:
        within |= np.isnan(points)
        if within.all():
            return points.astype(source.dtype, copy=False)
    if source.has_weights:
        within[:, -1] &= ~(points[:, -1] < 0)
    row, column = np.argwhere(~within)[0].tolist()
    what = problem_in(source, column, points[row, column]) or ""
    if source.is_table and np.isnan(points[row, column]):
        what += f" ({HOW_TO_GO_ON})"
    name = source.names[column] if source.names else ""
    raise InputError.at(
        source.path, what, row=row_start + row + 1, column=source.columns[column] + 1, name=name
    )


def block_rows(source: Input) -> int:
    """Return how many rows make a block that stays in the core's cache."""
    return max(1, _BLOCK_BYTES // (8 * len(source.columns)))
