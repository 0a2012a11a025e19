"""Generate a text file of normally distributed clusters, for trying things at any size.

`python -m scripts.blobs --rows 5000 --columns 2 --clusters 5 --seed 7 data/input/blobs.csv`
"""

from pathlib import Path

import click
import numpy as np

_BLOCK_ROWS = 100_000


@click.command(help=__doc__)
@click.option("--rows", type=click.IntRange(1), default=5000, show_default=True)
@click.option("--columns", type=click.IntRange(1), default=2, show_default=True)
@click.option("--clusters", type=click.IntRange(1), default=5, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=7, show_default=True)
@click.option("--decimals", type=click.IntRange(0), default=3, show_default=True)
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
def main(rows: int, columns: int, clusters: int, seed: int, decimals: int, path: Path) -> None:
    """Write the file, block by block."""
    rng = np.random.default_rng(seed)
    centers = rng.uniform(-100, 100, (clusters, columns))
    with path.open("w", encoding="ascii") as file:
        file.write(",".join(f"x{i}" for i in range(1, columns + 1)) + "\n")
        for start in range(0, rows, _BLOCK_ROWS):
            n = min(_BLOCK_ROWS, rows - start)
            points = centers[rng.integers(clusters, size=n)] + rng.normal(scale=8, size=(n, columns))
            np.savetxt(file, points, fmt=f"%.{decimals}f", delimiter=",")


if __name__ == "__main__":
    main()
