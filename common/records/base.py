"""What every format of records has in common."""

from collections.abc import Iterator
from typing import Protocol, TypeAlias

import numpy as np

from common.model import Buffer, LongArray, Records

Selection: TypeAlias = slice | LongArray

_BLOCK_RECORDS = 1 << 16


class Sink(Protocol):
    """Takes the bytes of a file, piece by piece; done with a piece when `write` returns."""

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""

    def write(self, data: Buffer, /) -> object:
        """Append bytes."""


class Encoder(Protocol):
    """Records on their way to files, encoded block by block, so that values need not fit in memory."""

    @property
    def suffix(self) -> str:
        """What the names of such files end in."""

    def __len__(self) -> int: ...

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        """Write the records at these positions, in this order, as a whole file; None: all of them."""


def blocks(records: Records, positions: LongArray | None) -> Iterator[tuple[Selection, Selection]]:
    """Cut the records at some positions into blocks: yield which keys, and which rows of values, are next.

    If there are fewer rows of values than keys, they count as repeated: record i has row i % rows.
    """
    n, rows = len(records.keys), len(records.values)
    count = n if positions is None else len(positions)
    for start in range(0, count, _BLOCK_RECORDS):
        stop = min(start + _BLOCK_RECORDS, count)
        if positions is None and rows == n:
            yield slice(start, stop), slice(start, stop)
            continue
        at = np.arange(start, stop) if positions is None else positions[start:stop]
        yield at, at if rows == n else at % rows
