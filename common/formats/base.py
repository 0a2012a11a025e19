"""What the formats share: how an opened file is described, and splits by row number."""

from itertools import pairwise
from pathlib import Path

from common.model import FloatType, Input, InputFormat, Split


def describe(
    path: Path,
    kind: InputFormat,
    fields: int,
    columns: tuple[int, ...],
    *,
    rows: int,
    dtype: FloatType,
    delimiter: str = "",
) -> Input:
    """Describe a file to the workers, with its present size and time of change."""
    now, real = path.stat(), str(path.resolve())
    return Input(real, kind, delimiter, fields, columns, rows, now.st_size, now.st_mtime_ns, dtype)


class RowFile:
    """An opened file whose rows are found by their number."""

    header: tuple[str, ...] = ()

    def __init__(self, source: Input) -> None:
        self.input = source

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        return [Split(i, *rows) for i, rows in enumerate(pairwise(bounds))]
