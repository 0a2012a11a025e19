"""The column that names the rows, as it stands in the file: the master reads it beside the labels."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.compute

from common.formats.dataset import InputFile, plan_splits, read_blocks
from common.formats.texts import TextCodes
from common.model import FloatArray, FloatType, Input, PointArray

_WHITE = " \t\v\f"


def read_ids(file: InputFile) -> Iterator[pyarrow.Array]:
    """Read the ids of all rows that count, in input order, piece by piece.

    Of text they are texts without the white space around them, else of the file's own type.
    """
    assert file.id is not None
    for split in plan_splits(file, 1):
        source = _with_id(file.source_of(split), file.id.column)
        ids = _Ids(source)
        for block in read_blocks(source, split, ids):
            yield ids.take(block[:, 0])


def _with_id(source: Input, column: int) -> Input:
    """Return an input whose first column has the ids; others follow only if rows may lack their numbers."""
    others = source.columns if source.dialect.drops_missing else ()
    return replace(
        source,
        columns=(column, *others),
        names=(),
        texts=(0,),
        dtype=FloatType.FLOAT64,
        keeps_missing=True,
        has_weights=False,
    )


class _Ids(TextCodes):
    """Keeps the ids of the block that is being read; the number of each is its place."""

    as_they_stand: ClassVar[bool] = True

    def __init__(self, source: Input) -> None:
        super().__init__(source)
        self._texts: list[str] = []
        self._array: pyarrow.Array = None

    def take(self, places: FloatArray | PointArray) -> pyarrow.Array:
        """Return the ids at some places of the block, and forget the others."""
        ids = pyarrow.array(self._texts, pyarrow.string()) if self._texts else self._array
        self._texts, self._array = [], None
        return ids.take(pyarrow.array(places.astype(np.int64)))

    def number_of(self, column: int, text: str) -> int:
        """Keep a text."""
        self._texts.append(text.strip(_WHITE))
        return len(self._texts) - 1

    def numbers_of(
        self, column: int, array: pyarrow.Array, clean: Callable[[str], str] | None = None
    ) -> FloatArray:
        """Keep an Arrow array; if its texts have to be cleaned, without the white space around them."""
        if pyarrow.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        self._array = array if clean is None else pyarrow.compute.utf8_trim(array, characters=_WHITE)
        return np.arange(len(array), dtype=np.float64)

    def replace_numbers(self, block: PointArray, columns: list[npt.NDArray[Any]]) -> None:  # type: ignore[override]
        """Keep a column of numbers."""
        self._array = pyarrow.array(columns[0].copy())
        block[:, 0] = np.arange(len(block))
