"""Lines: what was written is read back, however it is cut; what is no UTF-8 is refused by line."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import InputError
from common.formats import line_index
from common.formats.dataset import InputFile, open_lines, plan_splits
from common.formats.line_index import PLAIN
from common.formats.lines import Lines
from common.formats.opening import open_split
from common.model import Input, InputFormat

CONTENTS = st.text(alphabet="a \r\n\t\v\u2028😀é,\"'") | st.text()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lines") / "text"


def read(file: InputFile, n: int) -> list[list[str]]:
    """Read a file in n splits."""
    return [
        list(cast(Sequence[str], open_split(file.input, split, None).rows)) for split in plan_splits(file, n)
    ]


@settings(max_examples=200)
@given(content=CONTENTS.filter(bool), n=st.integers(1, 5), piece_bytes=st.sampled_from([16, 1 << 20]))
def test_lines_are_what_stands_between_line_feeds(path: Path, content: str, n: int, piece_bytes: int) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_index, "_PIECE_BYTES", piece_bytes)
        parts = read(open_lines(path), n)
    assert [line for part in parts for line in part] == content.removesuffix("\n").split("\n")
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parts_of_lines(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("a\n\nb c\né")
    (split,) = plan_splits(open_lines(path), 1)
    lines = open_split(open_lines(path).input, split, None).rows
    assert isinstance(lines, Lines)
    for bounds in ([0, 4], [0, 1, 2, 3, 4], [0, 0, 2, 4, 4], [1, 3]):
        parts = [lines[start:stop] for start, stop in pairwise(bounds)]
        sizes = list(accumulate(map(len, parts), initial=bounds[0]))
        assert sizes == bounds
        assert [line for part in parts for line in part] == ["a", "", "b c", "é"][bounds[0] : bounds[-1]]
    assert (lines[2], lines[3], "é" in lines, len(lines[9:])) == ("b c", "é", True, 0)
    assert list(lines[1:][1:]) == ["b c", "é"]


def test_describes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "points.npy"  # the suffix tells nothing
    path.write_text("1,2\n\nx\n")
    status = path.stat()
    described = Input(str(path), InputFormat.LINES, PLAIN, 1, (0,), 3, status.st_size, status.st_mtime_ns)
    assert open_lines(path).input == described
    assert not open_lines(path).header


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        (b"\xff", 1, "ff"),
        (b"a\nb \xc3(\n", 2, "c3"),
        (b"\xef\xbb\xbfa\n\n\n\xf0\x9f", 4, "f0"),
        (b"\xed\xa0\x80", 1, "ed"),
    ],
)
@pytest.mark.parametrize("piece_bytes", [4, 1 << 20])
def test_bytes_that_are_no_text_are_refused_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, line: int, byte: str, piece_bytes: int
) -> None:
    monkeypatch.setattr(line_index, "_PIECE_BYTES", piece_bytes)
    path = tmp_path / "text"
    path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read(open_lines(path), 2)
    expected = f"{path}, line {line}: byte 0x{byte} is not UTF-8; save the file as UTF-8"
    assert str(refused.value) == expected


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty; it needs at least one line"),
        (b"\xef\xbb\xbf", "the file is empty; it needs at least one line"),
        (b"\xff\xfea\0", "it is text in UTF-16; save it as UTF-8"),
        (b"\x1f\x8b...", "it is compressed by gzip; unpack it first"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_refuses_what_holds_no_lines(tmp_path: Path, content: bytes | None, what: str) -> None:
    path = tmp_path / "text"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        open_lines(path)
    assert str(refused.value) == f"{path}: {what}"


def test_refuses_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r": a folder, not a file$"):
        open_lines(tmp_path)
