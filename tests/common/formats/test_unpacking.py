"""Compressed text is read as what it holds, in any number of splits."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

from common.errors import InputError
from common.formats.dataset import open_input, open_lines, plan_splits, read_blocks
from common.formats.layout import TEXT_DEFAULTS, TextOptions


def zstd(data: bytes) -> bytes:
    return bytes(pyarrow.compress(data, "zstd", asbytes=True))


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}
POINTS = np.random.default_rng(0).normal(size=(3_000, 3))
TEXT = b"x,y,z\n" + b"".join(b"%r,%r,%r\n" % tuple(map(float, row)) for row in POINTS)


def read(path: Path, n: int, options: TextOptions = TEXT_DEFAULTS) -> Any:
    file = open_input(path, options=options)
    return [list(read_blocks(file.input, split)) for split in plan_splits(file, n)]


@pytest.mark.parametrize("piece_bytes", [8 << 20, 1 << 12])
@pytest.mark.parametrize("name", PACK)
def test_unpacks_text(tmp_path: Path, name: str, piece_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.formats.line_index._PIECE_BYTES", piece_bytes)
    path = tmp_path / "any name"
    path.write_bytes(PACK[name](TEXT))
    for n in (1, 3, 7):
        parts = read(path, n)
        assert np.concatenate([block for part in parts for block in part]).tobytes() == POINTS.tobytes()
        assert max(sum(map(len, part)) for part in parts) <= len(POINTS) // n + 1


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_unpacks_files_put_together(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    half = TEXT.index(b"\n", len(TEXT) // 2) + 1
    path.write_bytes(PACK[name](TEXT[:half]) + PACK[name](TEXT[half:]))
    assert np.concatenate(read(path, 1)[0]).tobytes() == POINTS.tobytes()


@pytest.mark.parametrize("name", PACK)
def test_refuses_what_is_cut_off(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    packed = PACK[name](TEXT)
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(
        InputError, match=rf"^{path}: cannot be read: it is compressed by {name}, but damaged"
    ):
        read(path, 1)


def test_skips_lines_and_reads_quotes_of_what_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbfReport\n"a\nb",y\n"1",2\n3,"4"\n'))
    parts = read(path, 2, TextOptions(skip_rows=1))
    assert [block.tolist() for part in parts for block in part] == [[[1.0, 2.0]], [[3.0, 4.0]]]


def test_refuses_other_formats_inside(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", POINTS)
    path = tmp_path / "a.npy.gz"
    path.write_bytes(gzip.compress((tmp_path / "a.npy").read_bytes()))
    with pytest.raises(
        InputError, match=rf"^{path}: it is a file of npy compressed by gzip; unpack it first$"
    ):
        open_input(path)


def test_words_are_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress(b"a b\n"))
    with pytest.raises(InputError, match=rf"^{path}: it is compressed by gzip; unpack it first$"):
        open_lines(path)
