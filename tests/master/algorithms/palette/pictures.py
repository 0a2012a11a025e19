"""Pictures for tests, made into few colours in this process, and what comes out."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from master.algorithms.palette.commands import COMMANDS, CombinedFileOptions
from master.algorithms.palette.config import PaletteOptions, PictureOptions
from master.cli.commands import execute
from master.options.declare import EngineName
from master.options.groups import OutputOptions, WorkerOptions
from master.options.messages import MessageOptions

Pixels = npt.NDArray[np.uint8]


def noise(height: int = 12, width: int = 16, channels: int = 3) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), np.uint8)


def save(folder: Path, pixels: Pixels, name: str = "in.png", **options: Any) -> None:
    grey = pixels.shape[2] == 1
    Image.fromarray(pixels[..., 0] if grey else pixels).save(folder / name, **options)


def reduce(
    folder: Path,
    k: int | None = None,
    palette: str | None = None,
    *,
    name: str = "in.png",
    output: str = "out.png",
    dither: bool = False,
) -> None:
    """Reduce a picture as the command does with the engine inline."""
    execute(
        COMMANDS[0],
        MessageOptions(),
        picture=PictureOptions(folder / name, folder / output, dither),
        palette=PaletteOptions(k, None if palette is None else folder / palette),
        output=OutputOptions(folder / "data", folder / "dump.txt"),
        workers=WorkerOptions(1, 1, EngineName("inline")),
        files=CombinedFileOptions(),
    )


def pixels_of(folder: Path, name: str = "out.png") -> Pixels:
    with Image.open(folder / name) as image:
        assert image.mode == "P"
        return np.array(image.convert("RGBA"))


def entries_in_file(folder: Path) -> int:
    """Return how many entries the PNG's own table of colours has."""
    content = (folder / "out.png").read_bytes()
    start = content.index(b"PLTE")
    (size,) = struct.unpack(">I", content[start - 4 : start])
    return int(size) // 3


def palette_of(folder: Path) -> list[tuple[str, int]]:
    """Return the colours of palette.txt and their pixels."""
    lines = [line.split() for line in (folder / "palette.txt").read_text().splitlines()]
    total = sum(int(count) for _, count, _ in lines)
    assert all(share == f"{int(count) / total:.6f}" for _, count, share in lines)
    return [(colour, int(count)) for colour, count, _ in lines]


def counted(pixels: Pixels) -> dict[str, int]:
    """Count the colours of a picture, shape (height, width, 4), by name."""
    colours, counts = np.unique(pixels.reshape(-1, 4), axis=0, return_counts=True)
    names = ["#" + bytes(each if each[3] < 255 else each[:3]).hex() for each in colours]
    return dict(zip(names, counts.tolist(), strict=True))
