"""Sorting, partitioning and merging by key, against Python's own sort."""

import subprocess
import sys
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.kernels.grouping import add_by_key, groups, order_by_key, partition_of, partition_positions
from common.model import Key, Keys, Records, as_keys
from tests.programs import ROOT

NUMBERS = st.lists(st.integers(0, 9) | st.integers(0, 70_000) | st.just(2**31 - 1))
WORDS = st.lists(st.text(alphabet="ab\x00\U0001f600\uffff", max_size=3) | st.text())
KEYS: st.SearchStrategy[list[Any]] = NUMBERS | WORDS


def array(keys: list[Any]) -> Keys:
    return as_keys(keys, str if keys and isinstance(keys[0], str) else int)


@given(keys=KEYS)
def test_order_is_that_of_a_stable_sort(keys: list[Any]) -> None:
    assert order_by_key(array(keys)).tolist() == sorted(range(len(keys)), key=keys.__getitem__)


@given(keys=KEYS, partitions=st.integers(0, 12))
def test_partitions_hold_each_position_once_sorted_by_key(keys: list[Any], partitions: int) -> None:
    found = [positions.tolist() for positions in partition_positions(array(keys), partitions)]
    everywhere = sorted(range(len(keys)), key=keys.__getitem__)
    assert found == [
        [i for i in everywhere if partition_of(keys[i], partitions) == p] for p in range(partitions)
    ]


@given(words=WORDS)
def test_strings_are_sorted_as_their_bytes_are(words: list[str]) -> None:
    ordered = array(words)[order_by_key(array(words))].tolist()
    assert [word.encode() for word in ordered] == sorted(word.encode() for word in words)


@pytest.mark.parametrize("last_key", [254, 255, 65_534, 65_535, 65_536])
def test_partitions_of_many_keys(last_key: int) -> None:
    keys = np.arange(last_key, -1, -1, dtype=np.int32)
    for p, positions in enumerate(partition_positions(keys, 3)):
        assert keys[positions].tolist() == list(range(p, last_key + 1, 3))


@given(runs=st.lists(NUMBERS, max_size=5) | st.lists(WORDS, max_size=5))
def test_merging_sorted_runs_keeps_the_order_of_runs(runs: list[list[Any]]) -> None:
    records, expected = [], dict[Key, list[list[float]]]()
    for number, keys in enumerate(runs):
        keys.sort()
        values = [[float(number), float(i)] for i in range(len(keys))]
        records.append(Records(array(keys), np.reshape(values, (len(keys), 2)).astype(np.float64)))
        for key, value in zip(keys, values, strict=True):
            expected.setdefault(key, []).append(value)
    merged = [(key, values.tolist()) for key, values in groups(*records)]
    assert merged == sorted(expected.items())


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
    program = f"from common.kernels.grouping import partition_of as p; print([p(w, 97) for w in {words!r}])"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert ended.stdout == f"{[partition_of(word, 97) for word in words]}\n"


@pytest.mark.parametrize("width", [0, 2, 50])
@pytest.mark.parametrize(
    "keys",
    [[5, 2, 5, 9, 2, 5], [2, 5, 9, 2, 5, 9], [2, 5, 9, 2, 5], [2, 5, 9, 2, 6, 9], [2, 5, 5], [2, 2, 2], [7]],
)
def test_values_of_each_key_are_added(keys: list[int], width: int) -> None:
    given = np.array(keys, np.int32)
    values = np.arange(1.0 * len(keys) * width).reshape(len(keys), width)
    known = sorted(set(keys))
    expected = [values[given == key].sum(axis=0).tolist() for key in known]
    added = add_by_key(Records(given, values))
    assert (added.keys.tolist(), added.values.tolist()) == (known, expected)
    again = add_by_key(Records(added.keys[::-1], added.values[::-1]))
    assert (again.keys.tolist(), again.values.tolist()) == (known, expected)
