"""Text input: what was written is read back bit by bit, and no bytes at all do worse than a UserError."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common.errors import UserError
from common.formats.dataset import open_input, plan_splits, read_blocks
from common.formats.layout import TEXT_DEFAULTS, TextOptions
from common.kernels.exact import LARGEST_MAGNITUDE
from common.model import FloatArray

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TOKENS = [
    *(b"1", b"-2.5", b"3e2", b"1,2\n", b"3,4\n", b"1 2\n", b"1\t2\n", b"5;6\n", b"7\n"),
    *(b",", b"\t", b";", b" ", b"\n", b"\r\n", b"\r", b"\v", b"\f"),
    *(b"x", b"nan", b"inf", b"_", b".", b"+", b"e", b'"', b"0x1", b"1e400", b"\x00", b"\x85", b"\xff"),
]
WAYS = list(itertools.product([1 << 18, 0], [8 << 20, 16]))
"""Every _SHORT_BYTES (plain Python, pyarrow) with every _PIECE_BYTES (one piece, many)."""


@dataclass(frozen=True)
class Layout:
    """How a matrix is written down."""

    delimiter: str
    line_end: str
    number: str
    header: bool
    byte_order_mark: bool
    final_line_end: bool
    blank: str
    blank_before: frozenset[int]


layouts = st.builds(
    Layout,
    delimiter=st.sampled_from([",", ", ", "\t", ";", " ", "   ", " \t "]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    number=st.sampled_from(["{!r}", "{:.17g}", "{:.16e}"]),
    header=st.booleans(),
    byte_order_mark=st.booleans(),
    final_line_end=st.booleans(),
    blank=st.sampled_from(["", "  ", "\t", "\n \n"]),
    blank_before=st.frozensets(st.integers(0, 12)),
)
numbers = st.floats(-LARGEST_MAGNITUDE, LARGEST_MAGNITUDE)
matrices = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=10), elements=numbers)
contents = st.binary(max_size=60) | st.lists(st.sampled_from(TOKENS), max_size=14).map(b"".join)


def written(matrix: FloatArray, layout: Layout) -> bytes:
    lines = [layout.delimiter.join(map(layout.number.format, row)) for row in matrix.tolist()]
    if layout.header:
        lines.insert(0, layout.delimiter.join([f"column_{i}" for i in range(matrix.shape[1])]))
    lines = [
        line
        for i, content in enumerate(lines)
        for line in ([layout.blank] if i in layout.blank_before else []) + [content]
    ]
    whole = layout.line_end.join(lines) + (layout.line_end if layout.final_line_end else "")
    return (BYTE_ORDER_MARK if layout.byte_order_mark else b"") + whole.encode()


@contextmanager
def parsing(way: tuple[int, int]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.formats.parsing._SHORT_BYTES", way[0])
        patch.setattr("common.formats.line_index._PIECE_BYTES", way[1])
        yield


def read(path: Path, n: int, options: TextOptions = TEXT_DEFAULTS) -> list[FloatArray]:
    """Read a file in n splits."""
    file = open_input(path, options=options)
    none = np.empty((0, len(file.input.columns)))
    return [np.concatenate([none, *read_blocks(file.input, split)]) for split in plan_splits(file, n)]


def outcome(path: Path, n: int) -> str | bytes:
    """Return the bits of the numbers, or what is said of the file."""
    try:
        return np.concatenate(read(path, n)).tobytes()
    except UserError as error:
        return str(error)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("input") / "points.txt"


@settings(max_examples=200)
@given(matrix=matrices, layout=layouts, n=st.integers(1, 12), way=st.sampled_from(WAYS))
def test_matrices_are_read_back_bit_by_bit(
    path: Path, matrix: FloatArray, layout: Layout, n: int, way: tuple[int, int]
) -> None:
    path.write_bytes(written(matrix, layout))
    with parsing(way):
        parts = read(path, n, TextOptions(header="yes" if layout.header else "no"))
    assert np.concatenate(parts).shape == matrix.shape
    assert np.concatenate(parts).tobytes() == matrix.tobytes()
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(max_examples=300)
@given(content=contents, n=st.integers(1, 4), way=st.sampled_from(WAYS))
def test_any_bytes_are_finite_numbers_or_one_line_of_error(
    path: Path, content: bytes, n: int, way: tuple[int, int]
) -> None:
    path.write_bytes(content)
    with parsing(way):
        found = outcome(path, n)
    if isinstance(found, bytes):
        assert found
        assert np.isfinite(np.frombuffer(found)).all()
    else:
        assert found.startswith(str(path))
        assert found.splitlines() == [found]


@settings(max_examples=200)
@given(content=contents, n=st.integers(1, 4))
def test_all_ways_of_parsing_agree(path: Path, content: bytes, n: int) -> None:
    path.write_bytes(content)
    found = set()
    for way in WAYS:
        with parsing(way):
            found.add(outcome(path, n))
    assert len(found) == 1
