"""Records to be written and read, for the tests of each format."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common.model import FloatArray, Keys, Records, as_keys

INFINITY = float("inf")
MANY: dict[str, tuple[Sequence[int], Sequence[Sequence[float]]]] = {
    "one": ([0], [[1.5]]),
    "wide": ([3, 1, 2], [[1.0, -2.5, 3e10], [0.1, 0.2, 0.3], [1 / 3, 2 / 3, 1e-7]]),
    "special": ([0, 2**31 - 1], [[5e-324, 1e308, -0.0], [1.7976931348623157e308, -5e-324, 0.0]]),
    "integers": ([1, 1, 1], [[1.0], [2.0**53], [-1e22]]),
    "infinite": ([7, 7], [[INFINITY], [-INFINITY]]),
    "no_value": ([4, 0, 4], [[], [], []]),
}
SMALL: tuple[Sequence[int], Sequence[Sequence[float]]] = ([5, 6, 7], [[1.5, 2], [3, 4.25], [-0.0, 6]])
POSITIONS = {"none": [], "one": [2], "all": [0, 1, 2], "reversed": [2, 1, 0], "twice": [1, 1, 0]}
"""Of records of `SMALL`."""


def make(keys: Sequence[int], values: Sequence[Sequence[float]]) -> Records:
    return Records(np.array(keys, np.int32), np.array(values, np.float64).reshape(len(keys), -1))


def make_words(keys: Sequence[str], values: Sequence[Sequence[float]]) -> Records:
    return Records(as_keys(keys, str), np.array(values, np.float64).reshape(len(keys), -1))


def same(one: Records, other: Records) -> bool:
    """Tell whether keys and values are the same bit by bit, in type and shape too."""
    return _bits(one.keys) == _bits(other.keys) and _bits(one.values) == _bits(other.values)


def _bits(array: Keys | FloatArray) -> tuple[str, tuple[int, ...], bytes | str]:
    return array.dtype.str, array.shape, repr(array.tolist()) if array.dtype == object else array.tobytes()


@st.composite
def _records(draw: st.DrawFn) -> Records:
    shapes = array_shapes(min_dims=2, max_dims=2, max_side=8)
    values = draw(arrays(np.float64, shapes, elements=st.floats(allow_nan=False)))
    keys = draw(arrays(np.int32, len(values), elements=st.integers(0, 2**31 - 1)))
    return Records(keys, values)


@st.composite
def _word_records(draw: st.DrawFn) -> Records:
    odd = st.text(alphabet=',"\n\r\ufeff\x00 a😀1', max_size=5)
    keys = draw(st.lists(odd | st.text(), min_size=1, max_size=8))
    width = draw(st.integers(0, 3))
    values = draw(arrays(np.float64, (len(keys), width), elements=st.floats(allow_nan=False)))
    return Records(as_keys(keys, str), values)


RECORDS = _records()
WORD_RECORDS = _word_records()
