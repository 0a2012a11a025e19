"""Input files for tests."""

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from common.model import FloatArray


def save(path: Path, matrix: FloatArray) -> None:
    """Write a matrix in the format that the file's suffix tells."""
    if path.suffix == ".npy":
        np.save(path, matrix)
    elif path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table({f"x{i}": x for i, x in enumerate(matrix.T)}), path)
    else:
        np.savetxt(path, matrix, "%.17g", delimiter=",")
