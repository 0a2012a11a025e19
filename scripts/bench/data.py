"""The data: drawn from a seed, so that anyone can draw the same again, or others."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.csv

from common.events.line import Entry, read_dump
from common.model import FloatArray
from scripts.bench.measure import ROOT
from scripts.bench.workloads import SAMPLE, Workload

KINDS = ("blobs", "cloud")  # K normal clusters of equal weight that overlap; one normal cloud
_SEPARATION = 6.0  # of the centres of blobs, root mean square, in standard deviations, whatever the columns


def generate(kind: str, rows: int, columns: int, clusters: int, seed: int) -> FloatArray:
    """Draw points of one of KINDS."""
    rng = np.random.default_rng(seed)
    if kind == "cloud":
        return rng.normal(size=(rows, columns))
    centers = rng.normal(scale=_SEPARATION / np.sqrt(2 * columns), size=(clusters, columns))
    points = rng.normal(size=(rows, columns))
    points += centers[rng.integers(clusters, size=rows)]
    return points


def initial_rows(points: FloatArray, k: int, seed: int) -> FloatArray:
    """Choose k rows as the centroids that everybody starts from."""
    rng = np.random.default_rng([seed, 1])
    return points[np.sort(rng.choice(len(points), k, replace=False))]


def write_csv(path: Path, points: FloatArray) -> None:
    """Write points as comma-separated text with all their digits, without a header."""
    table = pyarrow.table({f"x{i}": column for i, column in enumerate(np.asfortranarray(points).T)})
    pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(include_header=False))


@dataclass(frozen=True)
class Case:
    """A workload whose files are written."""

    workload: Workload
    folder: Path  # each competitor has a folder of its name in it
    points: Path
    initial: Path  # the centroids that everybody starts from; not there if ours draws its own
    seed: int  # of the data and the starts

    def dump_of(self, competitor: str) -> list[Entry]:
        """Return the dump.txt that one of ours has written."""
        return read_dump(self.folder / competitor / "dump.txt")


def prepare(workload: Workload, folder: Path, seed: int) -> Case:
    """Write the points, and the centroids that everybody starts from."""
    case = Case(workload, folder, folder / workload.file, folder / "initial.npy", seed)
    if workload.data == SAMPLE:
        return replace(case, points=ROOT / "data" / "input" / "points.txt")
    points = generate(workload.data, workload.rows, workload.columns, workload.k, seed)
    (write_csv if case.points.suffix == ".csv" else np.save)(case.points, points)
    if workload.starts == 1:
        np.save(case.initial, initial_rows(points, workload.k, seed))
    return case
