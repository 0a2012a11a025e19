"""Open a split: map its rows from the input if that holds them as they are wanted, else parse them once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.formats.reading import read_blocks, stored_rows
from common.formats.warmup import kernels_loading
from common.model import Input, InputFormat, PointArray, Rows, Split
from common.splits.rows_file import map_rows_file, write_rows


@dataclass(frozen=True)
class OpenSplit:
    """A split's rows, checked.

    Parameters
    ----------
    rows
        Mapped from a file, or in memory.
    in_place
        They are mapped from the input itself: before they are used again, `check_unchanged`.
    """

    rows: Rows
    in_place: bool


def open_split(source: Input, split: Split, cache: Path | None) -> OpenSplit:
    """Open a split's rows.

    Parameters
    ----------
    source, split
        Which rows.
    cache
        The file that spares doing it twice: it holds parsed rows, or is empty and tells that rows in
        place were checked. None: parse to memory.

    Raises
    ------
    InputError
        As `read_blocks`.
    """
    numbers = 0 if source.format is InputFormat.LINES else split.rows * len(source.columns)
    with kernels_loading(numbers, source.dtype):
        stored = stored_rows(source, split)
        if stored is None:
            return OpenSplit(_parsed_rows(source, split, cache), in_place=False)
        if cache is None or not cache.exists():
            for _ in read_blocks(source, split):
                pass
            if cache is not None:
                cache.touch()
        return OpenSplit(stored, in_place=True)


def _parsed_rows(source: Input, split: Split, cache: Path | None) -> PointArray:
    if cache is not None and split.rows:
        if not cache.exists():
            write_rows(cache, read_blocks(source, split))
        return map_rows_file(cache, len(source.columns), source.dtype)
    points: PointArray = np.empty((split.rows, len(source.columns)), source.dtype)
    rows = 0
    for block in read_blocks(source, split) if split.rows else ():
        points[rows : rows + len(block)] = block
        rows += len(block)
    return points
