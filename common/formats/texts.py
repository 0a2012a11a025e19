"""Columns of texts: each text becomes a number, its place among the texts of its column in a split."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from common.errors import InputError
from common.model import FloatArray, Input, PointArray, Table
from common.store.files import write_whole

if TYPE_CHECKING:
    import pyarrow

MOST_TEXTS = 1 << 16
"""In a column; one that has more holds no categories."""


class TextCodes:
    """Gives numbers to the texts of a split, in the order in which they come; "" is a missing text."""

    as_they_stand: ClassVar[bool] = False
    """True: no text is a missing one."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self._numbers: dict[int, dict[str, int]] = {column: {} for column in source.texts}

    def __contains__(self, column: int) -> bool:
        return column in self._numbers

    @property
    def texts(self) -> dict[int, tuple[str, ...]]:
        """The texts of each column, in the order of their numbers."""
        return {column: tuple(numbers) for column, numbers in self._numbers.items()}

    def number_of(self, column: int, text: str) -> int:
        """Return the number of a text; InputError if a column has too many."""
        numbers = self._numbers[column]
        number = numbers.setdefault(text, len(numbers))
        if number == MOST_TEXTS:
            source = self._source
            what = (
                f"more than {MOST_TEXTS:,} different texts are neither categories nor classes; leave it out "
                "with --columns, or choose another --target"
            )
            name = source.names[column] if source.names else ""
            raise InputError.at(source.path, what, column=source.columns[column] + 1, name=name)
        return number

    def numbers_of(
        self, column: int, array: "pyarrow.Array", clean: Callable[[str], str] = str
    ) -> FloatArray:
        """Return the numbers of an Arrow array's values, as `clean` makes them of their texts.

        A gap is a missing text.
        """
        import pyarrow

        from common.records.conversion import with_gaps

        if not pyarrow.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        kind = array.type.value_type
        own = kind.to_pandas_dtype() if kind in (pyarrow.float16(), pyarrow.float32()) else str
        gap = len(array.dictionary)
        places = with_gaps(array.indices.cast(pyarrow.int64()), gap).astype(np.int64)
        texts = ["" if value is None else clean(str(own(value))) for value in array.dictionary.to_pylist()]
        return self._numbers_at(column, [*texts, ""], places)

    def replace_numbers(self, block: PointArray, columns: Sequence[npt.NDArray[Any]]) -> None:
        """Put the numbers of their texts in place of numbers; `columns` hold these as they were read."""
        for column in self._numbers:
            distinct, places = np.unique(columns[column], return_inverse=True)
            block[:, column] = self._numbers_at(column, list(map(_text_of, distinct)), places)

    def _numbers_at(self, column: int, texts: Sequence[str], places: npt.NDArray[Any]) -> FloatArray:
        """Return the numbers of the texts at these places."""
        used = np.flatnonzero(np.bincount(places, minlength=len(texts)))
        numbers = np.zeros(len(texts))
        numbers[used] = [self.number_of(column, texts[place]) for place in used.tolist()]
        found: FloatArray = numbers[places]
        return found


def write_texts(path: Path, codes: TextCodes) -> None:
    """Write the texts of a split beside its rows."""
    with write_whole(path) as file:
        file.write(json.dumps(list(codes.texts.items())).encode())


def read_table(points: PointArray, path: Path) -> Table:
    """Put rows and their texts, as `write_texts` wrote them, together."""
    return Table(points, {column: tuple(texts) for column, texts in json.loads(path.read_bytes())})


def joined(tables: Sequence[Table]) -> Table:
    """Put the rows of tables after each other; the texts of all number them anew."""
    numbers: dict[int, dict[str, int]] = {column: {} for column in tables[0].texts}
    points = np.concatenate([table.points for table in tables])
    start = 0
    for table in tables:
        rows = points[start : start + len(table)]
        for column, texts in table.texts.items():
            known = numbers[column]
            places = np.array([known.setdefault(text, len(known)) for text in texts])
            rows[:, column] = places[rows[:, column].astype(np.int64)]
        start += len(table)
    return Table(points, {column: tuple(known) for column, known in numbers.items()})


def _text_of(number: np.number[Any] | np.bool_) -> str:
    """Write a number as a text file has it that Python has written; nan is missing, and -0.0 is 0.0."""
    return "" if np.isnan(number) else str(number or abs(number))
