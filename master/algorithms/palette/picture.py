"""Pictures as arrays of colours, read and written by Pillow, which is imported here alone."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from common.errors import InputError, UsageError
from common.formats.dataset import check_readable
from master.algorithms.palette.colours import OPAQUE, Colours, Points, to_points

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

FORMATS = {".png": "PNG", ".gif": "GIF"}
"""Formats with a palette, by the end of a file's name."""

Indexes = npt.NDArray[np.uint8]
"""For each pixel, row by row, its colour in the palette."""

_READABLE = (
    "PNG",
    "JPEG",
    "WEBP",
    "TIFF",
    "GIF",
    "BMP",
    "AVIF",
    "JPEG2000",
    "ICO",
    "PCX",
    "PPM",
    "QOI",
    "TGA",
)
"""Not all that Pillow reads: for EPS it starts a program."""

_KINDS = {"1": "L", "L": "L", "P": "RGB", "PA": "RGBA", "LA": "RGBA", "La": "RGBA", "RGB": "RGB"}
_KINDS |= {"RGBA": "RGBA", "RGBa": "RGBA", "RGBX": "RGB"}
"""What pictures of Pillow's modes become if they have no transparent colour besides."""


@dataclass(frozen=True)
class Picture:
    """A picture, turned as it is to be seen.

    Parameters
    ----------
    size
        Width and height.
    colours
        Shape (width * height, 4), row by row.
    is_grey
        Whether it is kept as one level a pixel.
    profile
        The ICC profile that says what its numbers mean; empty: sRGB.
    """

    size: tuple[int, int]
    colours: Colours
    is_grey: bool = False
    profile: bytes = b""

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Which pixels are to be clustered: all that are not fully transparent, or all if there are none."""
        alpha = self.colours[:, 3]
        return alpha > 0 if alpha.any() else np.ones(len(alpha), np.bool_)

    @property
    def columns(self) -> int:
        """How many columns the points of these need."""
        if (self.colours[self.seen, 3] == OPAQUE).all():
            return 1 if self.is_grey else 3
        return 4

    def points(self, columns: int) -> Points:
        """Return them as points."""
        return to_points(self.colours[self.seen], columns)


def format_for(path: Path) -> str:
    """Return the format that a file's name asks for; UsageError if that has no palette."""
    if (known := FORMATS.get(path.suffix.lower())) is None:
        names = " or ".join(FORMATS)
        raise UsageError(f"--output {path}: the name must end in {names}, formats that have a palette")
    return known


def read_picture(path: Path) -> Picture:
    """Read a picture; InputError if it is none, or not one of 8 bits a channel with a single image."""
    check_installed()
    check_readable(path)
    with _refusing(path):
        from PIL import Image, ImageOps

        Image.init()
        with Image.open(path, formats=[name for name in _READABLE if name in Image.OPEN]) as file:
            _check(path, file)
            kind = "RGBA" if file.has_transparency_data else _KINDS[file.mode]
            turned = ImageOps.exif_transpose(file)
            profile = file.info.get("icc_profile") or b""
            colours = np.array(turned.convert(kind).convert("RGBA")).reshape(-1, 4)
            return Picture(turned.size, colours, kind == "L", profile if profile[16:20] == b"RGB " else b"")


def check_installed() -> None:
    """Raise UsageError if Pillow is missing."""
    try:
        import PIL.Image  # noqa: F401
    except ImportError:
        raise UsageError("palette needs Pillow: pip install 'pillow>=11.1,<13'") from None


def encode_picture(picture: Picture, indexes: Indexes, palette: Colours, kind: str) -> bytes:
    """Return a file of that format."""
    from PIL import Image

    image = Image.frombytes("P", picture.size, indexes.tobytes())
    image.putpalette(palette[:, :3].tobytes())
    options = {"icc_profile": picture.profile} if picture.profile and kind == "PNG" else {}
    file = io.BytesIO()
    image.save(file, kind, optimize=False, **options, **_transparency(palette, kind))
    return file.getvalue()


def dither(picture: Picture, palette: Colours) -> Indexes:
    """Return an index for each pixel so that neighbours together have about the picture's colour."""
    from PIL import Image

    usable = np.flatnonzero(palette[:, 3] == OPAQUE)  # the picture is
    colours = Image.new("P", (1, 1))
    colours.putpalette(palette[usable, :3].tobytes())
    image = Image.frombytes("RGBA", picture.size, picture.colours.tobytes()).convert("RGB")
    dots = np.array(image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG), np.uint8)
    found: Indexes = usable.astype(np.uint8)[dots.ravel()]
    return found


def _transparency(palette: Colours, kind: str) -> dict[str, bytes | int]:
    alpha = palette[:, 3]
    if (alpha == OPAQUE).all():
        return {}
    return {"transparency": alpha.tobytes() if kind == "PNG" else int(alpha.argmin())}


def _check(path: Path, file: "ImageFile") -> None:
    """Refuse what would lose more than colours."""
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":  # a photo, and smaller copies of it
        raise InputError.at(
            str(path), f"{file.format} with {frames} images (an animation, say); save one of them"
        )
    if _has_16_bits(file):
        raise InputError.at(str(path), "a picture of 16 bits a channel or more; save it with 8 bits")
    if file.mode not in _KINDS:
        raise InputError.at(str(path), f"a picture in {file.mode}; save it in RGB, which screens show")


def _has_16_bits(file: "ImageFile") -> bool:
    """Tell from the mode, and from how the file holds its pixels: Pillow cuts 16 bits of RGB to 8."""
    stored = [tile[3] for tile in file.tile]
    largest = (
        max((each[1] for each in stored if isinstance(each, tuple)), default=0) if file.format == "PPM" else 0
    )
    return file.mode[0] in "IF" or largest > OPAQUE or re.search(r"(?<!BGR);16", str(stored)) is not None


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say in one line what is wrong with a file; Pillow raises errors of any kind, and warns."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (InputError, MemoryError):
        raise
    except UnidentifiedImageError:
        known = ", ".join(_READABLE)
        raise InputError.at(str(path), f"not a picture of a known format ({known})") from None
    except Image.DecompressionBombError:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise InputError.at(str(path), f"it has more than {most:,} pixels; make it smaller first") from None
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError.at(str(path), f"a damaged picture ({reason})") from None
