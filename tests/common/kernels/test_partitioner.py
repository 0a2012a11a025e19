"""The partition of a key: known values, the same in every process."""

import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.partitioner import partition_of
from common.model import Key
from tests.programs import ROOT


@pytest.mark.parametrize(
    ("key", "partitions", "expected"),
    [(0, 3, 0), (7, 3, 1), (2**31 - 1, 10, 7), ("", 5, 0), ("123456789", 1 << 14, 0xCBF43926 % (1 << 14))],
)
def test_known_partitions(key: Key, partitions: int, expected: int) -> None:
    assert partition_of(key, partitions) == expected


@given(key=st.text(), partitions=st.integers(1, 1 << 14))
def test_strings_by_the_checksum_of_their_bytes(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == zlib.crc32(key.encode("utf-8")) % partitions


def test_the_same_in_another_process() -> None:
    words = ["", "a", "é", "𝄞", "\x00"]
    program = (
        f"from common.kernels.partitioner import partition_of as p; print([p(w, 97) for w in {words!r}])"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == f"{[partition_of(word, 97) for word in words]}\n"
