"""The numbers in Arrow's arrays: of any type of numbers, and vectors, which have one length in all rows."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow
from pyarrow import types

from common.formats.columns import EMPTY_FIELD
from common.records.conversion import to_numpy, with_gaps

Numbers: TypeAlias = npt.NDArray[Any]
_SPARK_VECTOR = {
    "type": pyarrow.int8(),
    "size": pyarrow.int32(),
    "indices": [pyarrow.int32()],
    "values": [pyarrow.float64()],
}
"""The fields of the struct that Spark ML makes of a vector, two of which are lists."""


class UnusableError(Exception):
    """A row of an array, and an element of its vector, from 0, holds no number."""

    def __init__(self, what: str, row: int, element: int = 0) -> None:
        super().__init__(what)
        self.row = row
        self.element = element


def holds_numbers(kind: pyarrow.DataType) -> bool:
    """Tell whether a type is one of single numbers; True and False are 1 and 0."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return _is_plain(kind) or types.is_decimal(kind) or types.is_boolean(kind)


def holds_texts(kind: pyarrow.DataType) -> bool:
    """Tell whether a type is one of texts."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def holds_vectors(kind: pyarrow.DataType) -> bool:
    """Tell whether a type is one of vectors: lists of numbers, or what Spark ML makes of its vectors."""
    if _is_spark_vector(kind):
        return True
    lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return lists and holds_numbers(kind.value_type)


def length_of(vector: pyarrow.Scalar) -> int:
    """Return the length of a vector, 0 for an empty field."""
    value = vector.as_py()
    if not isinstance(value, dict):
        return len(value or ())
    return value["size"] or len(value["values"] or ())


def numbers_of(array: pyarrow.Array, length: int, *, keeps_missing: bool = False) -> Numbers:
    """Return an array's numbers, shape (rows,), or those of its vectors, shape (rows, length).

    With `keeps_missing` nan stands for a missing number. Raise UnusableError if one is missing, or a vector
    has another length.
    """
    if holds_numbers(array.type):
        return with_gaps(array, np.nan, _single_numbers) if keeps_missing else _single_numbers(array)
    _refuse_gaps(array)
    return _spark_vectors(array, length) if _is_spark_vector(array.type) else _lists(array, length)


def _is_plain(kind: pyarrow.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind))


def _is_spark_vector(kind: pyarrow.DataType) -> bool:
    if not types.is_struct(kind):
        return False
    parts = {part.name: [part.type.value_type] if types.is_list(part.type) else part.type for part in kind}
    return parts == _SPARK_VECTOR


def _refuse_gaps(array: pyarrow.Array) -> None:
    if array.null_count:
        raise UnusableError(EMPTY_FIELD, array.is_null().index(True).as_py())


def _single_numbers(array: pyarrow.Array) -> Numbers:
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    _refuse_gaps(array)
    if types.is_decimal(array.type):
        array = array.cast(pyarrow.string())  # a cast to float64 alone is not rounded correctly
    return to_numpy(array if _is_plain(array.type) else array.cast(pyarrow.float64()))


def _lists(array: pyarrow.Array, length: int) -> Numbers:
    fixed = types.is_fixed_size_list(array.type)
    lengths = np.full(len(array), array.type.list_size) if fixed else to_numpy(array.value_lengths())
    _check_lengths(lengths, length)
    try:
        return _single_numbers(array.flatten()).reshape(-1, length)
    except UnusableError as error:
        raise UnusableError(str(error), *divmod(error.row, length)) from None


def _spark_vectors(array: pyarrow.Array, length: int) -> Numbers:
    """Return vectors, each dense (its type is 1), or sparse, with the places of the values that are not 0."""
    part = dict(zip([field.name for field in array.type], array.flatten(), strict=True))
    counts = to_numpy(part["values"].value_lengths())
    is_sparse = to_numpy(part["type"]) == 0
    _check_lengths(np.where(is_sparse, to_numpy(part["size"].fill_null(0)), counts), length)
    rows = np.repeat(np.arange(len(array)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    places[is_sparse[rows]] = to_numpy(part["indices"].flatten())
    if not ((places >= 0) & (places < length)).all():
        raise ValueError("a sparse vector has a place beyond its length")
    vectors = np.zeros((len(array), length))
    vectors[rows, places] = _single_numbers(part["values"].flatten())
    return vectors


def _check_lengths(lengths: Numbers, length: int) -> None:
    wrong = np.flatnonzero(lengths != length)
    if wrong.size:
        row = int(wrong[0])
        raise UnusableError(f"a vector of {lengths[row]} numbers where {length} are expected", row)
