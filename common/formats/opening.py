"""Open a split: map its rows from the input if that holds them as they are wanted, else parse them once."""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from common.formats.dataset import format_of, read_blocks, within_file
from common.formats.texts import TextCodes, read_table, write_texts
from common.formats.unchanged import refusing_changes
from common.model import FloatType, Input, InputFormat, PointArray, Rows, Split, Table
from common.store.files import write_whole

_MANY_NUMBERS = 500_000
"""From here on a split will most likely need the compiled kernels."""


@dataclass(frozen=True)
class OpenSplit:
    """A split's rows, checked, in memory or mapped from a file.

    With `in_place` they are mapped from the input itself: call `check_unchanged` before they are used again.
    """

    rows: Rows
    in_place: bool


def open_split(source: Input, split: Split, cache: Path | None) -> OpenSplit:
    """Open a split's rows.

    `cache` is the file that spares doing it twice. It holds parsed rows, or is empty if rows in place were
    checked. None: read to memory, so that what happens to the file no longer matters. May raise InputError,
    as `read_blocks`.
    """
    rows = 0 if source.format is InputFormat.LINES else split.rows
    with kernels_loading(rows, len(source.columns), source.dtype, of_table=source.is_table):
        stored = _stored_rows(source, split, mapped=cache is not None)
        if stored is None:
            return OpenSplit(_read_rows(source, split, cache), in_place=False)
        if cache is None or not cache.exists():
            for _ in read_blocks(source, split):
                pass
            if cache is not None:
                cache.touch()
        return OpenSplit(stored, in_place=cache is not None)


@contextmanager
def kernels_loading(rows: int, columns: int, dtype: FloatType, *, of_table: bool = False) -> Iterator[None]:
    """Load the compiled kernels, or compile them, while so many rows are being read."""
    if rows * columns < _MANY_NUMBERS:
        yield
        return

    def load() -> None:
        from common.kernels.__main__ import make_ready, make_tables_ready

        if of_table:
            make_tables_ready(dtype)
        else:
            make_ready(dtype)

    loading = threading.Thread(target=load, daemon=True)
    loading.start()
    yield
    loading.join()


def _stored_rows(source: Input, split: Split, *, mapped: bool) -> Rows | None:
    """Return a split's rows, not yet checked, if the file holds them as they are wanted."""
    view: Callable[..., Rows | None] | None = getattr(format_of(source.format), "view", None)
    if view is None:
        return None
    with refusing_changes(source):
        return view(source, within_file(source, split), mapped=mapped)


def _read_rows(source: Input, split: Split, cache: Path | None) -> Rows:
    """Parse a split's rows to memory or to a file; the texts stand beside them."""
    texts = TextCodes(source)
    if cache is None or not split.rows:
        points = _parsed_rows(source, split, texts)
        return Table(points, texts.texts) if source.is_table else points
    if not cache.exists():
        store_rows(cache, source, read_blocks(source, split, texts), texts)
        release_memory()
    return stored_rows(cache, source)


def release_memory() -> None:
    """Give back to the system what pyarrow keeps for its next arrays, if it is loaded."""
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].default_memory_pool().release_unused()


def _parsed_rows(source: Input, split: Split, texts: TextCodes) -> PointArray:
    points: PointArray = np.empty((split.rows, len(source.columns)), source.dtype)
    rows = 0
    for block in read_blocks(source, split, texts) if split.rows else ():
        points[rows : rows + len(block)] = block
        rows += len(block)
    return points


def store_rows(path: Path, source: Input, blocks: Iterable[PointArray], texts: TextCodes) -> int:
    """Write blocks of an input's rows to a file, the texts beside it; else as `write_rows`."""
    return write_rows(path, _with_texts(path, blocks, texts) if source.is_table else blocks)


def _with_texts(path: Path, blocks: Iterable[PointArray], texts: TextCodes) -> Iterator[PointArray]:
    """Yield the blocks; all texts are known then, and written before the rows appear."""
    yield from blocks
    write_texts(_texts_path(path), texts)


def stored_rows(path: Path, source: Input) -> Rows:
    """Map a file made by `store_rows`."""
    points = map_rows_file(path, len(source.columns), source.dtype)
    return read_table(points, _texts_path(path)) if source.is_table else points


def _texts_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.texts")


def write_rows(path: Path, blocks: Iterable[PointArray]) -> int:
    """Write blocks of rows to a file that appears whole or not at all; return the number of rows."""
    rows = 0
    with write_whole(path) as file:
        for block in blocks:
            file.write(np.ascontiguousarray(block).data)
            rows += len(block)
    return rows


def map_rows_file(path: Path, columns: int, dtype: FloatType) -> PointArray:
    """Map a file made by `write_rows`, shape (rows, columns)."""
    if not path.stat().st_size:
        return cast(PointArray, np.empty((0, columns), dtype))
    return cast(PointArray, np.memmap(path, dtype, "r").reshape(-1, columns))
