"""How an opened file is described and split."""

from pathlib import Path

from common.formats.base import InputFile, input_of
from common.model import FloatType, InputFormat, Split


def test_description_and_splits(tmp_path: Path) -> None:
    path = tmp_path / "link.npy"
    (tmp_path / "file.npy").write_bytes(b"four")
    path.symlink_to("file.npy")
    found = input_of(path, InputFormat.NPY, 3, (2, 0), rows=5, dtype=FloatType.FLOAT32)
    assert (found.path, found.size_bytes) == (str(tmp_path / "file.npy"), 4)
    assert found.mtime_ns == path.stat().st_mtime_ns
    assert (found.fields, found.columns, found.rows, found.dtype) == (3, (2, 0), 5, FloatType.FLOAT32)
    assert InputFile(input=found).split([0, 2, 2, 5]) == [Split(0, 0, 2), Split(1, 2, 2), Split(2, 2, 5)]
