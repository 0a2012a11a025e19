"""Dask's data for the estimator: arrays and data frames, whose rows stay with its workers."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from common.engines.dask_input import block_of, refusal_or_rows
from common.errors import InputError, UsageError
from master.engines.dask.connect import connect
from master.engines.dask.engine import DaskEngine, Parts
from master.engines.dask.errors import translated_errors
from master.estimator.sources import Data, RunSettings, open_on_cluster


@contextmanager
def open_data(data: Any, settings: RunSettings) -> Iterator[Data]:
    """Open an array or a data frame on the cluster of the client that is there, or on one of its own.

    Raises
    ------
    InputError, UsageError
        It holds what it must not.
    """
    if getattr(data, "ndim", 0) != 2 or not hasattr(data, "to_delayed"):
        raise UsageError(
            f"Dask's {type(data).__name__} cannot be clustered; an array or a data frame of rows can"
        )
    names = tuple(map(str, getattr(data, "columns", ())))
    if not names:
        data = data.rechunk({1: -1})
    columns = int(data.shape[1])
    with connect(None, settings.workers.mappers) as client:
        with translated_errors():
            delayed = data.to_delayed()
            blocks = client.compute([_submit(block) for block in np.ravel(delayed).tolist()])
            found: list[str | int] = client.gather(client.map(refusal_or_rows, blocks, pure=False))
        for each in found:
            if isinstance(each, str):
                raise InputError(each)
        sizes = [each for each in found if isinstance(each, int)]
        rows = Parts(blocks, tuple(accumulate(sizes, initial=0))[:-1])
        with open_on_cluster(
            partial(DaskEngine, client, rows), sum(sizes), columns, settings, names
        ) as opened:
            yield opened


def _submit(block: Any) -> Any:
    from dask import delayed

    return delayed(block_of)(block)
