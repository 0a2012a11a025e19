"""Tables of Parquet and Arrow: types of numbers, vectors, names, the index of pandas, and what is refused."""

import itertools
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.errors import InputError, UsageError
from common.formats.dataset import open_input, read_all
from tests.common.formats.samples import (
    EMPTY_FIELD,
    INFINITY,
    MATRIX,
    NAN,
    ROWS,
    WRITE_TABLE,
    read_splits,
    refusal,
    said_of_damage,
    write_arrow,
)

Write = Callable[[pyarrow.Table], Path]
SPARK_VECTOR = pyarrow.struct(
    {
        "type": pyarrow.int8(),
        "size": pyarrow.int32(),
        "indices": pyarrow.list_(pyarrow.int32()),
        "values": pyarrow.list_(pyarrow.float64()),
    }
)
in_blocks = pytest.mark.usefixtures("blocks")


@pytest.fixture(params=WRITE_TABLE)
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Write:
    """Return what writes a table to a file, two rows in each row group or record batch."""

    def written(table: pyarrow.Table) -> Path:
        WRITE_TABLE[request.param](tmp_path / "points", table)
        return tmp_path / "points"

    return written


def dense(*values: float | None) -> dict[str, Any]:
    return {"type": 1, "size": None, "indices": None, "values": values}


def sparse(size: int, values: dict[int, float]) -> dict[str, Any]:
    return {"type": 0, "size": size, "indices": list(values), "values": list(values.values())}


def column(values: list[Any], kind: pyarrow.DataType) -> pyarrow.Table:
    return pyarrow.table({"x": pyarrow.array(values, kind)})


@in_blocks
def test_rows_are_read_in_any_cut(write: Write) -> None:
    path = write(pyarrow.table({"x": MATRIX[:, 0], "y": pyarrow.array([2, 4, 6, 8, 10], pyarrow.uint8())}))
    for n in range(1, 8):
        parts = read_splits(path, n)
        assert list(itertools.chain(*parts)) == ROWS
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


TYPES: dict[str, tuple[pyarrow.DataType, list[Any]]] = {
    "bool": (pyarrow.bool_(), [True, False, True]),
    **{f"int{8 << i}": (getattr(pyarrow, f"int{8 << i}")(), [-3, 0, 127]) for i in range(4)},
    **{f"uint{8 << i}": (getattr(pyarrow, f"uint{8 << i}")(), [3, 0, 255]) for i in range(4)},
    "large_int64": (pyarrow.int64(), [2**53 + 1, -(2**63), 7]),
    "large_uint64": (pyarrow.uint64(), [2**64 - 1, 2**63 + 1025, 7]),
    "float16": (pyarrow.float16(), [0.5, -65504.0, 2**-24]),
    "float32": (pyarrow.float32(), [0.5, -(2.0**-149), 3.0]),
    "float64": (pyarrow.float64(), [0.1, 5e-324, -1e100]),
    "decimal32": (pyarrow.decimal32(5, 2), [Decimal("0.57"), Decimal("-1.15"), Decimal("999.99")]),
    "decimal64": (pyarrow.decimal64(10, 2), [Decimal("0.57"), Decimal("-1.15"), Decimal("99999.99")]),
    "decimal128": (pyarrow.decimal128(10, 2), [Decimal("0.57"), Decimal("-1.15"), Decimal("12345678.90")]),
    "decimal256": (pyarrow.decimal256(50, 30), [Decimal("0.1"), Decimal("-1.15"), Decimal("2e-30")]),
    "categories": (pyarrow.dictionary(pyarrow.int8(), pyarrow.int64()), [30, 10, 30]),
    "categories_of_floats": (pyarrow.dictionary(pyarrow.int32(), pyarrow.float64()), [0.5, 0.1, 0.5]),
}


@in_blocks
@pytest.mark.parametrize(("kind", "values"), TYPES.values(), ids=TYPES)
def test_numbers_of_any_type(
    write: Write, request: pytest.FixtureRequest, kind: pyarrow.DataType, values: list[Any]
) -> None:
    if "parquet" in request.node.name and pyarrow.types.is_decimal256(kind):
        kind = pyarrow.decimal128(38, 30)
    assert read_all(write(column(values, kind))).ravel().tolist() == [float(value) for value in values]


@in_blocks
def test_vectors_are_columns(write: Write) -> None:
    vectors = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]
    kinds = [
        pyarrow.list_(pyarrow.float32()),
        pyarrow.large_list(pyarrow.int8()),
        pyarrow.list_(pyarrow.float64(), 2),
        pyarrow.list_(pyarrow.decimal128(5, 1)),
    ]
    for kind in kinds:
        numbers = [
            [Decimal(x) if pyarrow.types.is_decimal(kind.value_type) else x for x in v] for v in vectors
        ]
        table = pyarrow.table({"s": ["a"] * 5, "v": pyarrow.array(numbers, kind), "n": [1, 2, 3, 4, 5]})
        path = write(table)
        for n in (1, 2, 3):
            assert list(itertools.chain(*read_splits(path, n, "v"))) == vectors
        assert read_splits(path, 1, "n,v[1]") == [[[i + 1.0, v[1]] for i, v in enumerate(vectors)]]
        assert read_splits(path, 1, "2-4") == [[[*v, i + 1.0] for i, v in enumerate(vectors)]]
        opened = open_input(path, "v,n")
        assert (opened.input.names, opened.input.fields) == (("v[0]", "v[1]", "n"), 4)


@in_blocks
def test_vectors_of_spark(write: Write) -> None:
    rows = [dense(1, 2, 3), sparse(3, {1: 5}), sparse(3, {}), dense(4, 5, 6), sparse(3, {2: 7, 0: 8})]
    path = write(pyarrow.table({"v": pyarrow.array(rows, SPARK_VECTOR), "label": [0, 1, 0, 1, 0]}))
    expected = [[1, 2, 3], [0, 5, 0], [0, 0, 0], [4, 5, 6], [8, 0, 7]]
    for n in (1, 2, 4):
        assert list(itertools.chain(*read_splits(path, n, "v"))) == expected
    path = write(column(rows[::-1], SPARK_VECTOR))  # the length of a sparse vector is known by its size
    assert read_splits(path, 1) == [expected[::-1]]


LIST = pyarrow.list_(pyarrow.float64())
BAD: dict[str, tuple[pyarrow.DataType, list[Any], str]] = {
    "null": (pyarrow.float64(), [1.0, 2.0, None], f", row 3, column 1 ('x'): {EMPTY_FIELD}"),
    "null_integer": (pyarrow.int64(), [1, 2, None], f", row 3, column 1 ('x'): {EMPTY_FIELD}"),
    "null_decimal": (pyarrow.decimal128(5, 2), [1, None], f", row 2, column 1 ('x'): {EMPTY_FIELD}"),
    "null_bool": (pyarrow.bool_(), [None, True], f", row 1, column 1 ('x'): {EMPTY_FIELD}"),
    "null_category": (
        pyarrow.dictionary(pyarrow.int8(), pyarrow.int64()),
        [1, 2, None],
        f", row 3, column 1 ('x'): {EMPTY_FIELD}",
    ),
    "nan": (pyarrow.float64(), [1.0, 2.0, math.nan], f", row 3, column 1 ('x'): {NAN}"),
    "infinity": (pyarrow.float16(), [1.0, -math.inf], f", row 2, column 1 ('x'): {INFINITY}"),
    "no_row": (pyarrow.float64(), [], ": the table is empty; it needs at least one row and one column"),
    "null_vector": (LIST, [[1, 2], None], f", row 2, column 1 ('x[0]'): {EMPTY_FIELD}"),
    "null_vector_first": (LIST, [None, [1, 2]], f", row 1, column 1 ('x[0]'): {EMPTY_FIELD}"),
    "null_element": (LIST, [[1, 2], [3, 4], [5, None]], f", row 3, column 2 ('x[1]'): {EMPTY_FIELD}"),
    "nan_element": (LIST, [[1, 2], [math.nan, 4]], f", row 2, column 1 ('x[0]'): {NAN}"),
    "null_element_of_fixed": (
        pyarrow.list_(pyarrow.float64(), 2),
        [[1, 2], [3, None]],
        f", row 2, column 2 ('x[1]'): {EMPTY_FIELD}",
    ),
    "lengths_differ": (
        LIST,
        [[1, 2], [3, 4], [5]],
        ", row 3, column 1 ('x[0]'): a vector of 1 numbers where 2 are expected",
    ),
    "spark_lengths_differ": (
        SPARK_VECTOR,
        [dense(1, 2), sparse(3, {1: 1})],
        ", row 2, column 1 ('x[0]'): a vector of 3 numbers where 2 are expected",
    ),
    "spark_null": (SPARK_VECTOR, [dense(1, 2), None], f", row 2, column 1 ('x[0]'): {EMPTY_FIELD}"),
    "spark_nan": (SPARK_VECTOR, [dense(1, math.nan)], f", row 1, column 2 ('x[1]'): {NAN}"),
}


@in_blocks
@pytest.mark.parametrize(("kind", "values", "message"), BAD.values(), ids=BAD)
def test_what_is_no_number_is_refused_by_row_and_name(
    write: Write, kind: pyarrow.DataType, values: list[Any], message: str
) -> None:
    path = write(column(values, kind))
    assert refusal(path) == f"{path}{message}"


def test_a_sparse_vector_keeps_within_its_length(write: Write) -> None:
    for place in (-1, 2):
        path = write(column([dense(1, 2), sparse(2, {place: 1.0})], SPARK_VECTOR))
        assert refusal(path).endswith("(a sparse vector has a place beyond its length)")


TEXT = ["a", "b"]
NO_NUMBERS: dict[str, tuple[dict[str, Any], str | None, str]] = {
    "one": (
        {"Gender": TEXT, "age": [1, 2], "income": [3, 4]},
        None,
        ", column 1: column 'Gender' holds string, not numbers; leave it out with --columns age,income",
    ),
    "spaces": (
        {"Age (years)": [1, 2], "Gender": TEXT},
        None,
        ", column 2: column 'Gender' holds string, not numbers; leave it out with --columns 'Age (years)'",
    ),
    "vectors": (
        {"s": TEXT, "v": [[1.0] * 300] * 2},
        None,
        ", column 1: column 's' holds string, not numbers; leave it out with --columns v",
    ),
    "several": (
        {"x": [1, 2], "s": TEXT, "y": [1, 2], "z": [1, 2]},
        "z,s,x",
        ", column 2: column 's' holds string, not numbers; leave it out with --columns x,z",
    ),
    "no_other_chosen": (
        {"x": [1, 2], "s": TEXT},
        "s",
        ", column 2: column 's' holds string, not numbers; leave it out with --columns x",
    ),
    "none": ({"s": TEXT}, None, ", column 1: column 's' holds string, not numbers; no column holds numbers"),
    "names_that_are_numbers": (
        {"s": TEXT, "a,b": [1, 2], "c": [3, 4], "d": TEXT, "e": [1, 2]},
        None,
        ", column 1: column 's' holds string, not numbers; leave it out with --columns 2-3,5",
    ),
    "many": (
        {f"s{i}": TEXT if i % 7 == 3 else [1, 2] for i in range(80)},
        None,
        ", column 4: column 's3' holds string, not numbers; leave it out with --columns "
        "1-3,5-10,12-17,19-24,26-31,33-38,40-45,47-52,54-59,61-66,68-73,75-80",
    ),
    "too_many": (
        {f"s{i}": [1, 2] if i % 2 else TEXT for i in range(300)},
        None,
        ", column 1: column 's0' holds string, not numbers; choose others with --columns",
    ),
    "time": (
        {"t": pyarrow.array([0, 1], pyarrow.timestamp("ms")), "x": [1, 2]},
        None,
        ", column 1: column 't' holds timestamp[ms], not numbers; leave it out with --columns x",
    ),
}


@pytest.mark.parametrize(("columns", "wanted", "message"), NO_NUMBERS.values(), ids=NO_NUMBERS)
def test_columns_without_numbers_are_refused_with_those_that_have(
    write: Write, columns: dict[str, Any], wanted: str | None, message: str
) -> None:
    path = write(pyarrow.table(columns))
    with pytest.raises(InputError) as caught:
        open_input(path, wanted)
    assert str(caught.value) == f"{path}{message}"


def test_a_column_without_numbers_may_stay_in_the_file(write: Write) -> None:
    path = write(pyarrow.table({"s": TEXT, "x": [1, 2], "n": [None, 1], "l": [["a"], []], "y": [3, 4]}))
    for wanted in ("x,y", "2,5", "x,5"):
        assert read_splits(path, 1, wanted) == [[[1.0, 3.0], [2.0, 4.0]]]
    with pytest.raises(UsageError, match="has no column 'z'"):
        open_input(path, "z")


def test_columns_of_the_same_name(write: Write) -> None:
    arrays = [pyarrow.array([[1.0, 2.0]]), pyarrow.array([3.0]), pyarrow.array([[4.0]]), pyarrow.array([5.0])]
    path = write(pyarrow.Table.from_arrays(arrays, names=["x", "y", "x", "y"]))
    assert read_splits(path, 1) == [[[1.0, 2.0, 3.0, 4.0, 5.0]]]
    assert read_splits(path, 1, "5,4,1") == [[[5.0, 4.0, 1.0]]]


CUSTOMERS = pandas.DataFrame({"CustomerID": [30, 10, 20], "x": [1.5, 2.5, 3.5], "y": [1, 2, 3]})
FRAMES: dict[str, pandas.DataFrame] = {
    "index_with_name": CUSTOMERS.set_index("CustomerID"),
    "index_without_name": CUSTOMERS.set_index("CustomerID").rename_axis(None),
    "shuffled": CUSTOMERS[["x", "y"]].sample(frac=1, random_state=1),
    "counted": CUSTOMERS[["x", "y"]],
    "two_indices": CUSTOMERS.assign(shop=["a", "b", "c"]).set_index(["shop", "CustomerID"]),
    "nullable": CUSTOMERS.set_index("CustomerID").convert_dtypes(),
    "truth_values": CUSTOMERS.set_index("CustomerID").assign(z=[True, False, True]),
    "categories": CUSTOMERS.set_index("CustomerID").astype({"y": "category"}),
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES)
def test_the_index_of_pandas_is_left_out(write: Write, frame: pandas.DataFrame) -> None:
    path = write(pyarrow.Table.from_pandas(frame))
    assert open_input(path).input.names == tuple(frame.columns)
    assert read_all(path).tolist() == frame.astype(float).to_numpy().tolist()


def test_the_index_of_pandas_is_used_if_it_is_named(write: Write) -> None:
    path = write(pyarrow.Table.from_pandas(FRAMES["index_with_name"]))
    assert read_splits(path, 1, "CustomerID,x") == [[[30.0, 1.5], [10.0, 2.5], [20.0, 3.5]]]
    assert read_splits(path, 1, "3") == [[[30.0], [10.0], [20.0]]]
    path = write(pyarrow.Table.from_pandas(FRAMES["index_without_name"]))
    assert read_splits(path, 1, "__index_level_0__") == [[[30.0], [10.0], [20.0]]]
    path = write(pyarrow.Table.from_pandas(FRAMES["index_with_name"][[]]))
    assert refusal(path) == f"{path}: its only columns are the index of pandas; choose them with --columns"


@pytest.mark.parametrize("compression", [None, "lz4"])
def test_any_damaged_byte_of_arrow_is_read_or_refused(tmp_path: Path, compression: str | None) -> None:
    """pyarrow checks nothing of a mapped file by itself."""
    path = tmp_path / "points"
    vectors = pyarrow.array([sparse(2, {1: 1.0}), dense(1, 2)], SPARK_VECTOR)
    write_arrow(path, pyarrow.table({"s": vectors, "v": [[1.0], [2.0]]}), compression=compression)
    messages = said_of_damage(path, 3)
    assert messages
    assert [message for message in messages if len(message.splitlines()) != 1] == []


def test_a_struct_is_no_vector(write: Write) -> None:
    path = write(pyarrow.table({"s": [{"type": 1, "size": 2, "indices": 3, "values": 4}], "x": [1]}))
    assert refusal(path).endswith(", not numbers; leave it out with --columns x")


@pytest.mark.parametrize("metadata", [b"", b"[]", b"7", b"{", b'{"index_columns": 3}', b"\xff"])
def test_odd_metadata_is_no_traceback(write: Write, metadata: bytes) -> None:
    path = write(pyarrow.table({"x": [1.0]}).replace_schema_metadata({b"pandas": metadata}))
    try:
        assert read_all(path).tolist() == [[1.0]]
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017


numbers = st.floats(-1e100, 1e100)
wholes = st.integers(-(2**63), 2**63 - 1)
ARRAYS = st.one_of(
    st.tuples(st.just(pyarrow.float64()), st.lists(numbers, min_size=6, max_size=6)),
    st.tuples(
        st.just(pyarrow.float32()),
        st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=6, max_size=6),
    ),
    st.tuples(st.just(pyarrow.int64()), st.lists(wholes, min_size=6, max_size=6)),
    st.tuples(st.just(pyarrow.bool_()), st.lists(st.booleans(), min_size=6, max_size=6)),
    st.tuples(
        st.just(pyarrow.decimal128(38, 9)),
        st.lists(st.decimals(-(10**20), 10**20, places=9), min_size=6, max_size=6),
    ),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrays=st.lists(ARRAYS, min_size=1, max_size=4), n=st.integers(1, 4))
def test_pandas_reads_the_same(
    write: Write, arrays: list[tuple[pyarrow.DataType, list[Any]]], n: int
) -> None:
    table = pyarrow.table({f"x{i}": pyarrow.array(values, kind) for i, (kind, values) in enumerate(arrays)})
    expected = table.to_pandas().astype(float).to_numpy()
    read = np.array(list(itertools.chain(*read_splits(write(table), n))))
    assert read.tobytes() == np.ascontiguousarray(expected).tobytes()


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.dictionaries(st.integers(0, 4), numbers, max_size=5), min_size=1, max_size=7),
    dense_rows=st.sets(st.integers(0, 6)),
)
def test_vectors_of_spark_are_those_that_were_written(
    write: Write, rows: list[dict[int, float]], dense_rows: set[int]
) -> None:
    expected = [[row.get(i, 0.0) for i in range(5)] for row in rows]
    vectors = [dense(*expected[i]) if i in dense_rows else sparse(5, row) for i, row in enumerate(rows)]
    assert read_splits(write(column(vectors, SPARK_VECTOR)), 1) == [expected]


def test_a_number_of_columns_without_sense_is_refused(write: Write) -> None:
    path = write(column([sparse(1 << 30, {1: 1.0})], SPARK_VECTOR))
    assert refusal(path) == f"{path}: {1 << 30} columns are more than {1 << 20}"
