"""Whatever bytes a file or a peer holds: a result or one error of ours, in bounded memory."""

import io
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.ipc
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis.strategies import DataObject, DrawFn, binary, composite, data, integers, lists, sampled_from

from common.errors import InputError, UsageError
from common.formats.dataset import open_input, plan_splits
from common.formats.opening import open_split
from common.model import RecordFormat, Records
from common.records import decode, encode

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
MATRIX = np.arange(12.0).reshape(6, 2)
LIMIT_BYTES = 64 << 20


def npy(matrix: object = MATRIX) -> bytes:
    out = io.BytesIO()
    np.save(out, np.asarray(matrix))
    return out.getvalue()


def npy_header(text: str) -> bytes:
    header = text.encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header


def parquet() -> bytes:
    out = io.BytesIO()
    table = pyarrow.table({"x": MATRIX[:, 0], "y": pyarrow.array([1, 2, 3, 4, 5, 6], pyarrow.int16())})
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def arrow() -> bytes:
    out = io.BytesIO()
    table = pyarrow.table({"x": MATRIX[:, 0], "v": MATRIX.tolist()})
    with pyarrow.ipc.new_file(out, table.schema) as file:
        file.write_table(table)
    return out.getvalue()


def npz() -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, MATRIX)
    return out.getvalue()


def encoded(kind: RecordFormat) -> bytes:
    out = io.BytesIO()
    encode(Records(np.arange(6, dtype=np.int32), MATRIX), kind).write(out)
    return out.getvalue()


SEEDS = {
    ".txt": b"x,y\n1,2\n\n3.5,-4e3\n5,6\n",
    ".npy": npy(),
    ".parquet": parquet(),
    ".arrow": arrow(),
    ".npz": npz(),
    "text": encoded(RecordFormat.TEXT),
    "arrow": encoded(RecordFormat.ARROW),
}


@composite
def mutated(draw: DrawFn, whole: bytes) -> bytes:
    """Draw bytes that are nearly right: some replaced, cut out, doubled or put in."""
    data = bytearray(whole)
    for _ in range(draw(integers(1, 4))):
        at, length = draw(integers(0, len(data))), draw(integers(0, 8))
        piece = draw(
            binary(max_size=8) | sampled_from([b"\xff" * 4, b"\x00" * 8, b"9" * 8, b"\n", b",", b"-1"])
        )
        data[at : at + length] = piece
    return bytes(data)


@contextmanager
def bounded() -> Iterator[None]:
    """Refuse allocations beyond all need; of NumPy's and Python's memory, at least."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < LIMIT_BYTES
        assert pyarrow.total_allocated_bytes() < LIMIT_BYTES
    finally:
        tracemalloc.stop()


def read(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with suppress(InputError, UsageError):
        file = open_input(path)
        for split in plan_splits(file, 2):
            points = np.asarray(open_split(file.input, split, cache=None).rows)
            assert points.shape == (split.rows, len(file.input.columns))
            assert np.isfinite(points).all()


@pytest.mark.parametrize("beginning", [b"", b"\x93NUMPY", b"PAR1", b"ARROW1\0\0", b"PK\3\4"])
@FUZZ
@given(noise=binary(max_size=200))
def test_random_input(tmp_path: Path, beginning: bytes, noise: bytes) -> None:
    with bounded():
        read(tmp_path / "points", beginning + noise)


@FUZZ
@given(content=mutated(SEEDS[".txt"]))
def test_mutated_text(tmp_path: Path, content: bytes) -> None:
    with bounded():
        read(tmp_path / "points.txt", content)


@FUZZ
@given(content=mutated(SEEDS[".npy"]))
@example(npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 9)}\n"))
@example(npy_header("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}\n"))
@example(npy_header("{'descr': '<f8', 'fortran_order': True, 'shape': (-1, 4)}\n") + bytes(64))
@example(npy_header("{'descr': '|O', 'fortran_order': False, 'shape': (4,)}\n") + bytes(64))
@example(npy_header("(" * 9000))
@example(npy([[np.nan, 1.0]]))
@example(npy(np.zeros((0, 3))))
def test_mutated_npy(tmp_path: Path, content: bytes) -> None:
    with bounded():
        read(tmp_path / "points.npy", content)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".npz"])
@FUZZ
@given(data=data())
def test_mutated_tables_and_archives(tmp_path: Path, suffix: str, data: DataObject) -> None:
    with bounded():
        read(tmp_path / f"points{suffix}", data.draw(mutated(SEEDS[suffix])))


def check_decoding(kind: RecordFormat, data: bytes) -> None:
    with bounded(), suppress(ValueError):
        for records in decode(data, kind):
            assert records.keys.dtype == np.int32
            assert records.values.dtype == np.float64
            assert len(records.keys) == len(records.values)
            assert records.keys.min(initial=0) >= 0


@pytest.mark.parametrize("kind", RecordFormat)
@FUZZ
@given(data=binary(max_size=300))
def test_random_records(kind: RecordFormat, data: bytes) -> None:
    check_decoding(kind, data)


@FUZZ
@given(data=mutated(SEEDS["text"]))
@example(b"-1,2\n")
@example(b"1,2\n3\n")
@example(b"1_0,2\n")
@example(b"1,2_0\n")
def test_mutated_text_records(data: bytes) -> None:
    check_decoding(RecordFormat.TEXT, data)


@FUZZ
@given(data=mutated(SEEDS["arrow"]))
def test_mutated_arrow_records(data: bytes) -> None:
    check_decoding(RecordFormat.ARROW, data)


@FUZZ
@given(lines=lists(mutated(b"7,1.5,-2e-3\n"), max_size=3), at=integers(0, 30_000))
@example(lines=[b"-7,1.5,-2e-3\n"], at=15_000)
def test_mutated_records_read_by_pyarrow(lines: list[bytes], at: int) -> None:
    whole = b"7,1.5,-2e-3\n" * 30_000
    check_decoding(RecordFormat.TEXT, whole[: at * 12] + b"".join(lines) + whole[at * 12 :])
