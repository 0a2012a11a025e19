"""Tables as lines of text, for the screen."""

from collections.abc import Iterator, Sequence
from itertools import chain, repeat


def aligned(rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    """Yield the lines of a table.

    `sides` has a character for each column, "<" for left or ">" for right; the last one is that of the
    columns that follow, too.
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, chain(sides, repeat(sides[-1])), widths, strict=False)
        yield "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()
