"""What the formats share: an opened file, and how it is described to the workers."""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from common.model import FloatType, Input, InputFormat, Split


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """An opened input file.

    Parameters
    ----------
    input
        What the workers need to know about it.
    header
        The columns' names in the first line of a text file, if it has them.
    """

    input: Input
    header: tuple[str, ...] = ()

    def split(self, bounds: list[int]) -> list[Split]:
        """Make splits between successive row numbers of `bounds`."""
        return [Split(i, *rows) for i, rows in enumerate(pairwise(bounds))]


def input_of(
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
