"""Some rows of the input for the page, which draws them under the centroids."""

import numpy as np

from common.events.catalogue.run import SampledRow
from common.events.log import Log
from common.jobs.base import Engine
from common.jobs.rows import take_rows
from common.records.text import rows_to_print

_SHOWN_COLUMNS = 20


def log_sample(engine: Engine, rows: int, count: int, log: Log) -> None:
    """Log that many rows, at even distances from the first one on, so the same in every run."""
    chosen = np.arange(min(count, rows), dtype=np.int64) * rows // min(count, rows)
    points = take_rows(engine, chosen)[:, :_SHOWN_COLUMNS]
    for row, value in zip(chosen.tolist(), rows_to_print(points), strict=True):
        log.event(SampledRow(row=row + 1, value=value))
