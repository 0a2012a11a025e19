"""Pictures of all kinds in few colours, and the lines that refuse others."""

import io
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from common.errors import UsageError, UserError
from master.algorithms.palette.picture import check_installed
from tests.master.algorithms.palette.pictures import (
    counted,
    entries_in_file,
    noise,
    palette_of,
    pixels_of,
    reduce,
    save,
)


def test_transparent_pixels_stay_and_have_one_entry(tmp_path: Path) -> None:
    pixels = noise(30, 40, 4)
    pixels[:7, :, 3] = 0
    save(tmp_path, pixels)
    reduce(tmp_path, k=9)
    found = pixels_of(tmp_path)
    assert ((found[..., 3] == 0) == (pixels[..., 3] == 0)).all()
    assert entries_in_file(tmp_path) == 9
    assert dict(palette_of(tmp_path)) == counted(found)
    assert counted(found)["#00000000"] == int((pixels[..., 3] == 0).sum())
    assert len(counted(found)) == 9


def test_the_colour_of_a_cluster_is_that_of_its_seen_part(tmp_path: Path) -> None:
    """One pixel is red, and the other one nearly transparent green: the mean of both is nearly red."""
    save(tmp_path, np.array([[[255, 0, 0, 255], [0, 255, 0, 1]]], np.uint8))
    reduce(tmp_path, k=1)
    assert palette_of(tmp_path) == [("#fe010080", 2)]


def test_an_invisible_picture_has_one_colour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pixels = noise(channels=4)
    pixels[..., 3] = 0
    save(tmp_path, pixels)
    reduce(tmp_path, k=3)
    assert "\nthe picture has only 1 different colour\n" in capsys.readouterr().out
    assert palette_of(tmp_path) == [("#00000000", 192)]


def test_grey_stays_grey(tmp_path: Path) -> None:
    save(tmp_path, noise(channels=1))
    reduce(tmp_path, k=5)
    found = pixels_of(tmp_path)
    assert len(counted(found)) == 5
    assert (found[..., :1] == found[..., :3]).all()


def test_a_photo_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    """Orientation 6: the camera was turned to the left."""
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path, noise(4, 6), exif=exif)
    reduce(tmp_path, k=24)
    assert (pixels_of(tmp_path)[..., :3] == np.rot90(noise(4, 6), -1)).all()


def test_a_picture_with_a_palette_is_expanded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = Image.fromarray(noise()).quantize(40)
    image.save(tmp_path / "in.png")
    reduce(tmp_path, k=41)
    assert "\nthe picture has only 40 different colours\n" in capsys.readouterr().out
    assert (pixels_of(tmp_path) == np.array(image.convert("RGBA"))).all()
    reduce(tmp_path, k=39)
    assert len(palette_of(tmp_path)) == entries_in_file(tmp_path) == 39


def test_a_transparent_palette_becomes_a_gif(tmp_path: Path) -> None:
    pixels = noise(channels=4)
    pixels[..., 3] = np.where(pixels[..., 3] > 99, 255, 0)
    Image.fromarray(pixels).quantize(30).save(tmp_path / "in.gif")
    with Image.open(tmp_path / "in.gif") as image:
        original = np.array(image.convert("RGBA"))
    reduce(tmp_path, k=10, output="out.gif", name="in.gif")
    found = pixels_of(tmp_path, "out.gif")
    assert (found[..., 3] == original[..., 3]).all()
    assert {name: count for name, count in palette_of(tmp_path) if name != "#00000000"} == {
        name: count for name, count in counted(found).items() if len(name) == 7
    }


def test_given_colours_are_used_as_they_are(tmp_path: Path) -> None:
    """Their order is that of the file; each pixel has the nearest one."""
    (tmp_path / "colours").write_text("#0000FF blue\nff0000,red\n\n#ff0000\n#00ff00 7\n")
    save(tmp_path, np.array([[[250, 9, 9], [3, 200, 1], [255, 0, 0]]], np.uint8))
    reduce(tmp_path, palette="colours")
    assert palette_of(tmp_path) == [("#ff0000", 2), ("#00ff00", 1), ("#0000ff", 0), ("#ff0000", 0)]
    with Image.open(tmp_path / "out.png") as image:
        assert np.array(image).tolist() == [[1, 3, 1]]


def test_a_palette_can_be_given_to_another_picture(tmp_path: Path) -> None:
    """Here to the same one, with alpha and invisible pixels: all is as it was."""
    pixels = noise(channels=4)
    pixels[:3, :, 3] = 0
    save(tmp_path, pixels)
    reduce(tmp_path, k=6)
    before = pixels_of(tmp_path)
    (tmp_path / "palette.txt").rename(tmp_path / "colours")
    reduce(tmp_path, palette="colours")
    assert (pixels_of(tmp_path) == before).all()


def test_dithering_is_nearer_to_the_mean(tmp_path: Path) -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 64, axis=0)
    save(tmp_path, ramp)
    (tmp_path / "colours").write_text("#000000\n#ffffff\n")
    reduce(tmp_path, palette="colours", dither=True)
    columns = pixels_of(tmp_path)[..., 0].mean(axis=0).reshape(-1, 32).mean(axis=1)
    assert np.abs(columns - ramp[0, :, 0].reshape(-1, 32).mean(axis=1)).max() < 10


def test_dithering_uses_no_entry_that_one_can_see_through(tmp_path: Path) -> None:
    save(tmp_path, np.full((20, 20, 3), 130, np.uint8))
    (tmp_path / "colours").write_text("#80808000\n#000000\n#ffffff\n")
    reduce(tmp_path, palette="colours", dither=True)
    with Image.open(tmp_path / "out.png") as image:
        assert (np.array(image.convert("RGBA"))[..., 3] == 255).all()


def test_the_meaning_of_the_numbers_is_kept(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    save(tmp_path, noise(), icc_profile=profile)
    reduce(tmp_path, k=3)
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["icc_profile"] == profile


def png_of_16_bits() -> bytes:
    """Return a PNG of RGB with 16 bits, which Pillow cannot write."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    body = zlib.compress(bytes(7))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def content(kind: str, image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


PHOTO = Image.fromarray(noise(40, 40))
TWICE = {"save_all": True, "append_images": [ImageOps.invert(PHOTO)]}
ODD = {
    "text": (b"hello\n", "not a picture of a known format ("),
    "nothing": (b"", "not a picture of a known format (PNG, JPEG, "),
    "eps": (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n\n",
        "not a picture of a known ",
    ),
    "cut": (content("PNG", PHOTO)[:900], "a damaged picture (image file is truncated)"),
    "bomb": (content("PNG", Image.new("1", (20000, 20000))), "it has more than 178,956,970 pixels; "),
    "inks": (content("JPEG", PHOTO.convert("CMYK")), "a picture in CMYK; save it in RGB, "),
    "gif": (content("GIF", PHOTO, **TWICE), "GIF with 2 images (an animation, say); save one of them"),
    "png": (content("PNG", PHOTO, **TWICE), "PNG with 2 images (an animation, say); save one of them"),
    "grey 16": (content("PNG", Image.new("I;16", (9, 9))), "a picture of 16 bits a channel or more; "),
    "rgb 16": (png_of_16_bits(), "a picture of 16 bits a channel or more; save it with 8 bits"),
    "ppm 16": (b"P6 1 1 65535\n" + bytes(6), "a picture of 16 bits a channel or more; save it with 8 bits"),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_picture_is_refused_by_name(tmp_path: Path, name: str) -> None:
    file, message = ODD[name]
    (tmp_path / name).write_bytes(file)
    with pytest.raises(UserError, match=re.escape(f"/{name}: {message}")):
        reduce(tmp_path, 4, name=name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 257}, "--k is 257, but must be 256 or less"),
        ({}, "give the number of colours (--k 64), or the colours (--palette FILE)"),
        ({"k": 2, "palette": "red"}, "--k and --palette exclude each other: --palette has all colours"),
        ({"palette": "red"}, "/red, line 2: 'red' does not begin with a colour such as #1e90ff"),
        ({"palette": "many"}, "--palette leaves no entry for the fully transparent pixels of "),
        ({"palette": "more"}, "/more: it has 257 colours, more than 256"),
        ({"k": 2, "output": "o.jpg"}, "/o.jpg: the name must end in .png or .gif, formats that have a"),
        ({"k": 2, "output": "no/o.png"}, "/no/o.png: there is no folder "),
        ({"k": 2, "output": "in.png"}, "/in.png would overwrite the input"),
        ({"k": 2, "output": "o.gif"}, "/o.gif: a GIF has no half transparent pixels; choose a .png"),
        ({"k": 1}, "--k 1 is taken by fully transparent pixels; the others need one colour more: --k 2"),
        ({"k": 2, "dither": True}, "/in.png has transparent pixels"),
        ({"k": 2, "output": "f/o.png"}, "/f/palette.txt: a folder, not a file"),
    ],
)
def test_what_cannot_be_done_is_said_first(tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
    pixels = noise(channels=4)
    pixels[0, 0, 3] = 0
    save(tmp_path, pixels)
    (tmp_path / "f" / "palette.txt").mkdir(parents=True)
    (tmp_path / "red").write_text("#ff0000\nred\n")
    (tmp_path / "many").write_text("#ff0000\n" * 256)
    (tmp_path / "more").write_text("#ff0000\n" * 257)
    with pytest.raises(UserError, match=re.escape(message)):
        reduce(tmp_path, **arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"f", "in.png", "red", "many", "more"}


def test_without_pillow_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.delattr("PIL.Image")
    with pytest.raises(UsageError, match=re.escape("palette needs Pillow: pip install 'pillow>=11.1,<13'")):
        check_installed()


def test_a_picture_of_one_pixel(tmp_path: Path) -> None:
    save(tmp_path, noise(1, 1), "in.jpg")
    reduce(tmp_path, 5, name="in.jpg")
    assert [count for _, count in palette_of(tmp_path)] == [1]


def test_colours_that_rounding_makes_equal_are_replaced(tmp_path: Path) -> None:
    """Two clusters lie around one level: their rounded means are the same, and another colour fills up."""
    pixels = np.array([[[10, 10], [10, 11], [10, 9], [11, 10], [9, 10]]], np.uint8)
    save(tmp_path, np.dstack([pixels, np.full((1, 5, 1), 10, np.uint8)]))
    for k in range(1, 6):
        reduce(tmp_path, k)
        assert len(palette_of(tmp_path)) == k
        assert all(count for _, count in palette_of(tmp_path))


def test_as_many_different_colours_as_asked_for(tmp_path: Path) -> None:
    """There are few more colours, next to each other: rounding alone would leave fewer."""
    levels = np.stack(np.meshgrid(*[np.arange(100, 107, dtype=np.uint8)] * 3), axis=-1).reshape(1, -1, 3)
    save(tmp_path, levels)
    reduce(tmp_path, 256)
    assert len(counted(pixels_of(tmp_path))) == len(palette_of(tmp_path)) == 256
