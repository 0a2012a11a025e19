"""The input and options of a run, drawn at random; the same seed draws the same."""

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from common.model import FloatArray

INPUT, START = "points", "start.txt"
LINKS = ["mappers/M1", "reducers/R1", "checkpoints", ".lock"]
MAPPERS, REDUCERS = 4, 3
"""At most."""


@dataclass(frozen=True)
class Plan:
    """One run.

    Parameters
    ----------
    points
        The input, saved as a file with this suffix.
    start
        The initial centroids, if they are given.
    result_options
        The options on which the result depends.
    joining
        How many mappers and reducers join; (0, 0): the master starts all workers.
    remote
        The master starts no workers.
    dask
        The engine is a Dask cluster of the run's own.
    small_disk
        The data directory is on a disk of its own that may fill up, if we may mount one.
    link
        A name in the data directory that is a link to somebody else's file or folder; "": none.
    """

    points: FloatArray
    suffix: str
    start: FloatArray | None
    result_options: tuple[str, ...]
    joining: tuple[int, int]
    remote: bool
    dask: bool
    small_disk: bool
    link: str

    @classmethod
    def draw(cls, rng: Random) -> "Plan":
        """Draw one."""
        rows = rng.choice([rng.randint(12, 300), rng.randint(12, 300), rng.randint(5_000, 40_000)])
        columns, k = rng.randint(1, 5), rng.randint(1, 10)
        numbers = np.random.default_rng(rng.getrandbits(32))
        centers = numbers.uniform(-20, 20, (k, columns))
        points = np.round(centers[numbers.integers(k, size=rows)] + numbers.normal(size=(rows, columns)), 2)
        k = min(k, len(np.unique(points, axis=0)))
        suffix = rng.choice([".csv", ".npy"])
        result_options = [
            *("--input", f"{INPUT}{suffix}", "--k", str(k), "--iters", str(rng.randint(3, 15))),
            *("--seed", str(rng.randrange(1000)), "--tol", rng.choice(["0", "1e-4"])),
            *("--on-empty", rng.choice(["farthest", "keep"])),
        ]
        start = None
        match rng.choice(["random", "random", "k-means++", "several", "far"]):
            case "k-means++":
                result_options += ["--init", "k-means++"]
            case "several":
                result_options += ["--n-init", str(rng.randint(2, 4))]
            case "far":  # clusters without members
                result_options += ["--init-centroids", START]
                start = np.arange(k)[:, None] * np.full((1, columns), 1000.0)
        dask = rng.random() < 0.15
        joins = rng.random() < 0.5 and not dask
        joining = (rng.randint(1, MAPPERS), rng.randint(1, REDUCERS)) if joins else (0, 0)
        remote = joins and rng.random() < 0.6
        small_disk, link = rng.random() < 0.2, rng.choice(LINKS) if rng.random() < 0.2 else ""
        return cls(points, suffix, start, tuple(result_options), joining, remote, dask, small_disk, link)

    @property
    def purpose(self) -> list[str]:
        """The names of the disturbances that it is meant for, above all."""
        return [*["all workers lost"][: self.dask], *["the disk full"][: self.small_disk]]

    def other_options(self, rng: Random) -> list[str]:
        """Draw the options on which the result does not depend; a resumed run may have others."""
        mappers, reducers = self.joining if self.remote else (MAPPERS, REDUCERS)
        options = [
            *("--mappers", str(rng.randint(1, mappers)), "--reducers", str(rng.randint(1, reducers))),
            *("--task-delay", rng.choice(["0", "0.02", "0.05", "0.2"])),
            *("--threads", rng.choice(["1", "2"])),
        ]
        if rng.random() < 0.5:
            options.append("--combine")
        if self.dask:
            return [*options, "--engine", "dask", "--cluster-timeout", "8"]
        options += ["--splits", str(rng.choice([0, 0, rng.randint(1, 8)]))]
        options += ["--intermediate", rng.choice(["text", "arrow"])]
        if rng.random() < 0.3 and not self.small_disk:
            options.append("--keep-iterations")
        if rng.random() < 0.25:
            options += ["--fail-rate", rng.choice(["0.1", "0.3"])]
        return options

    def write(self, folder: Path) -> None:
        """Write the input, and the initial centroids if they are given."""
        path = folder / f"{INPUT}{self.suffix}"
        if self.suffix == ".npy":
            np.save(path, self.points)
        else:
            np.savetxt(path, self.points, "%.2f", delimiter=",")
        if self.start is not None:
            np.savetxt(folder / START, self.start, "%.2f", delimiter=",")
