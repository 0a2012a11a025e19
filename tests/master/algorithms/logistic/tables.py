"""Tables in memory, as an engine and an algorithm take them."""

import numpy as np

from common.model import Dialect, Input, InputFormat, Table
from master.engines.inline import InlineEngine


def in_memory(points: np.ndarray, texts: tuple[str, ...]) -> tuple[InlineEngine, Input]:
    """Return rows of numbers and, last, a class, whose texts these are, on an engine."""
    rows, columns = points.shape
    source = Input(
        *("table", InputFormat.NPY, Dialect()),
        fields=columns,
        columns=tuple(range(columns)),
        rows=rows,
        size_bytes=points.nbytes,
        mtime_ns=0,
        texts=(columns - 1,),
    )
    return InlineEngine(Table(points, {columns - 1: texts}), combine=True), source
