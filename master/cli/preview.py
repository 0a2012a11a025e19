"""How the input is understood, for a person who wants to see it before anything runs."""

from collections.abc import Iterator, Sequence

import numpy as np

from common.errors import counted, shortened
from common.formats.dataset import InputFile, read_blocks
from common.formats.texts import TextCodes
from common.model import FloatArray, FloatType, InputFormat
from master.algorithms.tables import aligned
from master.options.groups import RunConfig
from master.run.settings import understood
from master.views.words import in_words

_ROWS = 1000
_ITEM_BYTES = {FloatType.FLOAT32: 4, FloatType.FLOAT64: 8}
_SHOWN_COLUMNS = 50


def preview(file: InputFile, config: RunConfig) -> Iterator[str]:
    """Yield what the input was taken for, the range of each column in the first rows, and the splits."""
    source = file.input
    yield f"{source.path}: {source.rows:,} rows, {counted(len(source.columns), 'column')}"
    yield in_words(understood(file)) or ""
    if source.format is not InputFormat.LINES and not config.input.is_address:
        yield from _columns(file)
    if file.ids.names:
        yield f"beside the labels: {shortened(', '.join(file.ids.names), 400)}"
    splits = config.workers.splits or config.workers.mappers
    fewest, more = divmod(source.rows, splits)
    sizes = f"{fewest:,} or {fewest + 1:,}" if more else f"{fewest:,}"
    yield f"{counted(splits, 'split')} of {sizes} rows"
    if source.format is not InputFormat.LINES:
        size_mb = source.rows * len(source.columns) * _ITEM_BYTES[source.dtype] / 1e6
        yield f"{size_mb:,.1f} MB as {source.dtype}, in all mappers together"
    yield "nothing was run (--dry-run)"


def _columns(file: InputFile) -> Iterator[str]:
    source = file.input
    head, *_ = file.split([0, min(_ROWS, source.rows)])
    texts = TextCodes(source)
    rows: FloatArray = np.concatenate(list(read_blocks(file.source_of(head), head, texts)))
    names = source.names or [""] * len(source.columns)
    shown = list(zip(source.columns, names, rows.T, strict=True))
    lines = [
        (str(column + 1), name, *(_texts(texts.texts[i]) if i in texts else _numbers(values)))
        for i, (column, name, values) in enumerate(shown[:_SHOWN_COLUMNS])
    ]
    table = [("column", "name", f"first {counted(head.rows, 'row')}", "least", "greatest"), *lines]
    yield from (f"  {line}" for line in aligned(table, "<"))
    if len(shown) > _SHOWN_COLUMNS:
        yield f"  ... and {len(shown) - _SHOWN_COLUMNS} more"


def _texts(texts: Sequence[str]) -> tuple[str, str, str]:
    known = [text for text in texts if text]
    least, greatest = (shortened(text) for text in (min(known, default=""), max(known, default="")))
    return f"{len(known):,} different {'text' if len(known) == 1 else 'texts'}", least, greatest


def _numbers(values: FloatArray) -> tuple[str, str, str]:
    known = values[~np.isnan(values)]
    if not known.size:
        return "numbers, all missing", "", ""
    kind = "integers" if (known == np.floor(known)).all() else "numbers"
    return kind, f"{known.min():.6g}", f"{known.max():.6g}"
