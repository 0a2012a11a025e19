"""What the user asked of a palette: frozen, and validated once."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from common.errors import UsageError
from master.options.declare import at_least, at_most, option, required

MOST_COLOURS = 256
"""Of a picture with a palette: a pixel is a byte."""
PALETTE_TEXT = "palette.txt"


@dataclass(frozen=True)
class PictureOptions:
    """Which picture becomes which one."""

    title: ClassVar[str] = "Picture"

    input: Path = required("A picture: PNG, JPEG, WebP, TIFF and so on.", metavar="FILE")
    output: Path = required(
        f"The picture in few colours: a .png or a .gif. Beside it stands {PALETTE_TEXT}: each colour, its "
        "pixels and their share, the most used colour first.",
        metavar="FILE",
    )
    dither: bool = option(
        False, "Mix colours that the palette lacks from dots of those that it has (Floyd-Steinberg)."
    )


@dataclass(frozen=True)
class PaletteOptions:
    """Which colours.

    Raises
    ------
    UsageError
        A value is invalid.
    """

    title: ClassVar[str] = "Palette"

    k: int | None = option(
        None, f"Number of colours, from 1 to {MOST_COLOURS}; fully transparent pixels have one of them."
    )
    palette: Path | None = option(
        None,
        "Use the colours in this file, one a line, as #rrggbb or #rrggbbaa; what follows them is ignored.",
        metavar="FILE",
    )
    init: Literal["random", "k-means++"] = option(
        "k-means++",
        "Start from the colours of random pixels, or from colours that lie far apart.",
    )
    n_init: int = option(4, "Number of starts to try, from 1; the one with the least error is kept.")
    iterations: int = option(100, "Maximum number of iterations, from 1.", name="--iters")
    seed: int = option(0, "Seed for every random choice, from 0.")

    def __post_init__(self) -> None:
        if self.k is None and self.palette is None:
            raise UsageError("give the number of colours (--k 64), or the colours (--palette FILE)")
        if self.k is not None and self.palette is not None:
            raise UsageError("--k and --palette exclude each other: --palette has all colours")
        if self.k is not None:
            at_least("--k", self.k, 1)
            at_most("--k", self.k, MOST_COLOURS)
        at_least("--n-init", self.n_init, 1)
        at_least("--iters", self.iterations, 1)
        at_least("--seed", self.seed, 0)
        at_most("--seed", self.seed, 2**63 - 1)
