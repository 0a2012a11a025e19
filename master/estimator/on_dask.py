"""Dask's data for the estimator: arrays and data frames, whose rows stay with its workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from common.engines.on_dask import rows_of
from common.errors import UsageError
from master.engines.dask.connect import connect, translated_errors
from master.engines.dask.engine import DaskEngine, Parts
from master.estimator.sources import Data, RunSettings, open_on_cluster


@contextmanager
def open_data(data: Any, settings: RunSettings) -> Iterator[Data]:
    """Open an array or a data frame on the cluster of the client that is there, or on one of its own.

    Raises
    ------
    InputError, UsageError
        It has invalid content.
    """
    from dask import delayed

    if getattr(data, "ndim", 0) != 2 or not hasattr(data, "to_delayed"):
        raise UsageError(
            f"a Dask {type(data).__name__} cannot be clustered; use an array or a data frame of rows"
        )
    names = tuple(map(str, getattr(data, "columns", ())))
    if not names:
        data = data.rechunk({1: -1})
    columns = int(data.shape[1])
    with connect(None, settings.workers.mappers) as client:
        with translated_errors():
            parts = data.to_delayed()
            blocks = client.compute([delayed(rows_of)(part) for part in np.ravel(parts).tolist()])
            *starts, total = accumulate(client.gather(client.map(len, blocks, pure=False)), initial=0)
        rows = Parts(blocks, tuple(starts))
        with open_on_cluster(partial(DaskEngine, client, rows), total, columns, settings, names) as opened:
            yield opened
