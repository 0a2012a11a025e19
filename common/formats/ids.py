"""The columns that stand beside the labels, as they are in the file; the master reads them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute

from common.errors import InputError
from common.formats.dataset import InputFile, plan_splits, read_blocks
from common.formats.fields import MISSING
from common.formats.texts import TextCodes
from common.model import FloatArray, FloatType, Input, InputFormat, PointArray, Split
from common.records.conversion import to_arrow, to_numpy

_WHITE = " \t\v\f"
_TAKEN_AS = {
    pyarrow.string_view(): pyarrow.large_string(),
    pyarrow.binary_view(): pyarrow.large_binary(),
}
"""The types of which pyarrow takes no rows, and what they become."""


def read_ids(file: InputFile) -> Iterator[list[pyarrow.Array]]:
    """Read the id columns of all rows that count, in input order, piece by piece.

    Of text they are texts without the white space around them, else of the file's own type.
    """
    for split in plan_splits(file, 1):
        yield from _ids_in(file, split)


def types_of_ids(file: InputFile) -> Iterator[tuple[str, list[pyarrow.DataType]]]:
    """Yield the path of each file and the types of its id columns, as its first rows have them."""
    if file.input.format is InputFormat.TEXT:
        yield file.input.path, [pyarrow.string()] * len(file.ids.columns)
        return
    for split in plan_splits(file, 1):
        first = next(_ids_in(file, split))
        yield file.source_of(split).path, [column.type for column in first]


def _ids_in(file: InputFile, split: Split) -> Iterator[list[pyarrow.Array]]:
    source = _with_ids(file.source_of(split), file.ids.columns)
    ids = _Ids(source, file.input.columns)
    try:
        for block in read_blocks(source, split, ids):
            yield ids.take(block[:, 0])
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise InputError.at(source.path, f"--id: {str(error).splitlines()[0]}") from None


def _with_ids(source: Input, columns: tuple[int, ...]) -> Input:
    """Return an input whose first columns have the ids; others follow only if rows may lack their numbers."""
    needed = source.columns if source.dialect.drops_missing else ()
    others = [column for column in needed if column not in columns]
    return replace(
        source,
        columns=(*columns, *others),
        names=(),
        texts=tuple(range(len(columns))),
        dtype=FloatType.FLOAT64,
        keeps_missing=True,
        has_weights=False,
    )


class _Ids(TextCodes):
    """Keeps the ids of the block that is being read; the number of each is its place.

    It is nan where a row does not count, because a number is missing that is an id, too.
    """

    as_they_stand: ClassVar[bool] = True

    def __init__(self, source: Input, used: tuple[int, ...]) -> None:
        super().__init__(source)
        drops = source.dialect.drops_missing
        self._needed = {i for i in source.texts if drops and source.columns[i] in used}
        self._texts: dict[int, list[str]] = {column: [] for column in source.texts}
        self._arrays: dict[int, pyarrow.Array] = {}

    def take(self, places: FloatArray | PointArray) -> list[pyarrow.Array]:
        """Return the ids at some places of the block, and forget the others."""
        which = to_arrow(places.astype(np.int64))
        for column, texts in self._texts.items():
            if texts:
                self._arrays[column] = pyarrow.array(texts, pyarrow.string())
                texts.clear()
        return [self._arrays[column].take(which) for column in self._texts]

    def number_of(self, column: int, text: str) -> float:  # type: ignore[override]
        """Keep a text."""
        texts = self._texts[column]
        texts.append(text.strip(_WHITE))
        return math.nan if column in self._needed and texts[-1].encode() in MISSING else len(texts) - 1

    def numbers_of(
        self, column: int, array: pyarrow.Array, clean: Callable[[str], str] | None = None
    ) -> FloatArray:
        """Keep an Arrow array; if its texts have to be cleaned, without the white space around them."""
        if pyarrow.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        if array.type in _TAKEN_AS:
            array = array.cast(_TAKEN_AS[array.type])
        self._arrays[column] = array if clean is None else pyarrow.compute.utf8_trim(array, characters=_WHITE)
        places = np.arange(len(array), dtype=np.float64)
        if column in self._needed:
            missing = pyarrow.compute.is_in(self._arrays[column], pyarrow.array(map(bytes.decode, MISSING)))
            places[to_numpy(missing.cast(pyarrow.uint8())) == 1] = np.nan
        return places

    def replace_numbers(self, block: PointArray, columns: list[npt.NDArray[Any]]) -> None:  # type: ignore[override]
        """Keep NumPy's columns; bytes are texts in UTF-8."""
        for column in self._texts:
            kept = columns[column]
            array = pyarrow.array(kept.astype(kept.dtype.newbyteorder("=")))
            self._arrays[column] = array.cast(pyarrow.string()) if kept.dtype.kind == "S" else array
            block[:, column] = np.arange(len(block))
