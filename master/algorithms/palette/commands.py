"""The command `palette`."""

from dataclasses import dataclass

import numpy as np

from common.errors import UsageError
from common.model import FloatType
from master.algorithms.base import Command, Prepared
from master.algorithms.palette.algorithm import PaletteAlgorithm
from master.algorithms.palette.colours import OPAQUE, Colours, read_colours
from master.algorithms.palette.config import MOST_COLOURS, PALETTE_TEXT, PaletteOptions, PictureOptions
from master.algorithms.palette.picture import Picture, format_for, read_picture
from master.options.groups import MAP_GROUPS, RUN_GROUPS, FileOptions, InputOptions

_HELP = """Reduce a picture to exactly K colours by K-Means, on mapper and reducer processes.

\b
Example:
  python -m master palette --input photo.jpg --k 64 --output out.png
"""


@dataclass(frozen=True)
class CombinedFileOptions(FileOptions):
    """What the files between map and reduce hold: never each pixel; there are no checkpoints."""

    combine: bool = True
    resume: bool = False


def _prepare(picture: PictureOptions, palette: PaletteOptions) -> Prepared:
    kind = format_for(picture.output)
    given = None if palette.palette is None else read_colours(palette.palette)
    found = read_picture(picture.input)
    columns = _columns(found, given)
    _check_transparency(picture, palette, found, columns, kind)
    if given is not None:
        _check_given(picture, found, given)
    algorithm = PaletteAlgorithm(picture, palette, found, found.points(columns), given)
    return Prepared(
        algorithm,
        given=palette.palette,
        seed=palette.seed,
        input=InputOptions(str(picture.input), dtype=FloatType.FLOAT32, rows=algorithm.points),
        written={
            "--output": picture.output,
            "beside --output:": picture.output.with_name(PALETTE_TEXT),
        },
    )


def _columns(picture: Picture, given: Colours | None) -> int:
    """Return how many columns show the pixels as well as the given colours."""
    if given is None:
        return picture.columns
    return max(picture.columns, 3 if np.isin(given[:, 3], (0, OPAQUE)).all() else 4)


def _check_transparency(
    options: PictureOptions, palette: PaletteOptions, picture: Picture, columns: int, kind: str
) -> None:
    """Refuse what cannot be done to a picture that one can see through."""
    if columns == 4 and kind != "PNG":
        raise UsageError(f"--output {options.output}: a {kind} has no half transparent pixels; choose a .png")
    if palette.k == 1 and not picture.seen.all():
        raise UsageError("--k 1 is taken by fully transparent pixels; the others need one colour more: --k 2")
    if options.dither and (columns == 4 or not picture.seen.all()):
        what = options.input if not picture.seen.all() or picture.columns == 4 else palette.palette
        raise UsageError(f"--dither does not apply: {what} has transparent pixels")


def _check_given(options: PictureOptions, picture: Picture, given: Colours) -> None:
    """Refuse given colours that leave none for fully transparent pixels."""
    if not picture.colours[:, 3].any():
        raise UsageError(f"--palette does not apply to {options.input}: all its pixels are fully transparent")
    if not picture.seen.all() and given[:, 3].all() and len(given) == MOST_COLOURS:
        raise UsageError(
            f"--palette leaves no entry for the fully transparent pixels of {options.input}; "
            f"give {MOST_COLOURS - 1} colours"
        )


COMMANDS = (
    Command(
        name="palette",
        prepare=_prepare,
        groups={
            "picture": PictureOptions,
            "palette": PaletteOptions,
            **RUN_GROUPS,
            "workers": MAP_GROUPS["workers"],
            "files": CombinedFileOptions,
        },
        help=_HELP,
        summary="Reduce a picture to exactly K colours.",
    ),
)
