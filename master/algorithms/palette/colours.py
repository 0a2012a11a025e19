"""Colours as points, and as text.

A colour is four bytes: red, green, blue and alpha, each from 0 to 255. Points are what K-Means clusters:

- 1 column: the grey level.
- 3 columns: red, green and blue, as they stand in the file (sRGB, as a rule). The error of a picture is
  measured there, and the mean of a cluster has the least: in linear light or OKLab it would not.
- 4 columns: red, green and blue times alpha, and 255 times alpha. So the less a pixel is seen, the less its
  colour counts; and all are whole numbers, exact in float32.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common.errors import InputError, shortened
from common.formats.dataset import check_readable
from common.model import FloatArray, LongArray
from master.algorithms.palette.config import MOST_COLOURS

Colours = npt.NDArray[np.uint8]
"""Shape (n, 4)."""
Points = npt.NDArray[np.float32]
"""Shape (n, columns)."""

OPAQUE = 255
_HEX = re.compile(r"#?([0-9a-f]{6})([0-9a-f]{2})?(?=[\s,;]|$)", re.IGNORECASE)


def to_points(colours: Colours, columns: int) -> Points:
    """Return colours as points with so many columns."""
    points = colours[:, :columns].astype(np.float32)
    if columns == 4:
        points[:, 3] = OPAQUE
        points *= colours[:, 3:]
    return points


def to_colours(points: FloatArray) -> Colours:
    """Return the colours nearest to points, halves rounded up."""
    columns = points.shape[1]
    if columns == 4:
        alpha = points[:, 3:] / OPAQUE
        points = np.hstack([points[:, :3] / np.where(alpha > 0, alpha, 1), alpha])
    elif columns == 1:
        points = np.repeat(points, 3, axis=1)
    found: Colours = np.full((len(points), 4), OPAQUE, np.uint8)
    found[:, : points.shape[1]] = np.floor(points + 0.5)
    return found


def in_hex(colour: Colours) -> str:
    """Return one colour as #rrggbb, or as #rrggbbaa if one can see through it."""
    return "#" + colour[: 3 if colour[3] == OPAQUE else 4].tobytes().hex()


def by_use(colours: Colours, counts: LongArray) -> LongArray:
    """Return the order of the colours with the most used one first; equal ones from dark to light."""
    order: LongArray = np.lexsort((*colours.T[::-1], -counts))
    return order


def in_words(colours: Colours, counts: LongArray) -> Iterator[str]:
    """Yield a line for each colour, the most used one first: hex, count and share."""
    for index in by_use(colours, counts):
        yield f"{in_hex(colours[index])} {counts[index]} {counts[index] / counts.sum():.6f}\n"


def read_colours(path: Path) -> Colours:
    """Read a file of colours, one a line; InputError if a line has none, or there are none or too many."""
    check_readable(path)
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError.at(str(path), "not text; a palette is a text file, one #rrggbb a line") from None
    found = [_colour(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not any(colour[3] for colour in found):
        raise InputError.at(str(path), "it has no colour that can be seen")
    if len(found) > MOST_COLOURS:
        raise InputError.at(str(path), f"it has {len(found)} colours, more than {MOST_COLOURS}")
    return np.frombuffer(b"".join(found), np.uint8).reshape(-1, 4)


def _colour(path: Path, number: int, line: str) -> bytes:
    match = _HEX.match(line.strip())
    if match is None:
        what = f"{shortened(line.strip())!r} does not begin with a colour such as #1e90ff"
        raise InputError.at(str(path), what, line=number)
    return bytes.fromhex(match[1] + (match[2] or "ff"))
