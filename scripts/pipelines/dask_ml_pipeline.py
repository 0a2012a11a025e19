"""Boosted trees by XGBoost on Dask, on a table of numbers and words."""

import logging
import sys
import time
from pathlib import Path

import click
import dask
import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client
from pandas.api.types import is_numeric_dtype
from xgboost.dask import DaskXGBClassifier

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # this repository
from scripts.pipelines.inputs import check_target, files_of, is_test, pipeline
from scripts.pipelines.results import Usage, as_json, score, show
from scripts.pipelines.usage import Watch

TEST = "is_test_row"
logging.getLogger("distributed.shuffle").setLevel(logging.ERROR)  # it warns of each of its shuffles


@pipeline(__doc__)
@click.option("--scheduler", help="Address of a Dask scheduler.  [default: workers of this machine]")
@click.option("--workers", type=click.IntRange(1), default=2, help="If no scheduler is given.")
def main(
    path: str, target: str, share: float, seed: int, wanted_json: bool, scheduler: str | None, workers: int
) -> None:
    """Read, fit, test, show."""
    with connect(scheduler, workers) as client, Watch() as watch:
        frame = read(path, target)
        lengths = tuple(frame.map_partitions(len).compute())
        frame[TEST] = da.from_array(is_test(sum(lengths), seed, share), chunks=(lengths,))
        frame = with_levels(frame.dropna(subset=[target]), target).persist()
        train, test = frame[~frame[TEST]], frame[frame[TEST]]

        model = DaskXGBClassifier(enable_categorical=True, random_state=seed, verbosity=0)
        model.client = client
        began_s = time.perf_counter()
        model.fit(train.drop(columns=[target, TEST]), train[target].cat.codes)
        fit_s = time.perf_counter() - began_s

        found = model.predict_proba(test.drop(columns=[target, TEST])).compute()
        never = len(frame[target].cat.categories) - found.shape[1]  # classes that only test rows have
        expected = np.pad(found, ((0, 0), (0, never)))
        scores = score(test[target].cat.codes.compute(), expected)
        rows = {"rows": len(frame), "test_rows": len(expected), "iterations": model.get_num_boosting_rounds()}
    show(as_json("XGBoost on Dask", scores, Usage(fit_s, watch.cpu_s, watch.peak_mb), **rows), wanted_json)


def connect(scheduler: str | None, workers: int) -> Client:
    """Connect to a cluster, or start one on this machine, which ends with the client."""
    if scheduler is None:
        return Client(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    try:
        return Client(scheduler)
    except (OSError, ValueError) as error:
        raise click.ClickException(f"--scheduler {scheduler}: {error}") from error


def read(path: str, target: str) -> dd.DataFrame:
    """Read the rows, in the order of files and lines; a partition is a file, or 64 MiB of one."""
    frame = dd.read_csv(files_of(path), assume_missing=True)  # else integers may lack none
    check_target(target, frame.columns)
    return frame


def with_levels(frame: dd.DataFrame, target: str) -> dd.DataFrame:
    """Give words the same numbers on every worker; one that no training row has counts as missing.

    XGBoost wants the classes to be 0 to K - 1, so those that only test rows have come last.
    """
    words = [name for name, kind in frame.dtypes.items() if name == target or not is_numeric_dtype(kind)]
    train = frame[~frame[TEST]]
    *known, classes = dask.compute(*(train[name].unique() for name in words), frame[target].unique())
    levels = {name: sorted(values.dropna()) for name, values in zip(words, known, strict=True)}
    levels[target] += sorted(set(classes) - set(levels[target]))
    return frame.astype({name: pd.CategoricalDtype(values) for name, values in levels.items()})


if __name__ == "__main__":  # the workers import this file
    main()
