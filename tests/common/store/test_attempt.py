"""An attempt's files have temporary names until the manifest lists them."""

import io
from pathlib import Path

import pytest

from common.errors import OutputLostError
from common.model import CommittedFile
from common.records import checksum
from common.store.attempt import AttemptFiles, check_undamaged
from common.store.files import open_folder
from common.store.node import NodeStore
from tests.common.store.attempts import Content, attempt, commit, tree


def test_the_manifest_tells_what_was_committed(store: NodeStore, folder: Path) -> None:
    seen: list[bool] = []
    for number in (1, 2):
        manifest_is_there = lambda: seen.append((folder / "manifest.txt").exists())  # noqa: E731
        commit(store, attempt(number), meanwhile=manifest_is_there, map_output=b"1,2", partition_1=b"")
    assert seen == [False, True]
    assert (folder / "manifest.txt").read_text() == (
        "attempt=2 task=1 job=lloyd iteration=1\n"
        f"map_output.txt size_bytes=3 records=1 crc32={checksum(b'1,2'):08x}\n"
        "partition_1.txt size_bytes=0 records=1 crc32=00000000\n"
    )


def test_only_committed_files_outlive_the_attempt(tmp_path: Path) -> None:
    with open_folder(tmp_path) as folder:
        files = AttemptFiles(folder, "", attempt(), 1)
        files.write("first", Content(b"1"))
        files.commit()
        files.write("second", Content(b"2"))
        files.remove()
    assert tree(tmp_path) == ["first.txt"]


@pytest.mark.parametrize("content", [b"", b"dat", b"dbta", b"data and more"])
def test_a_changed_file_is_damaged(content: bytes) -> None:
    written = CommittedFile(4, 1, checksum(b"data"))
    check_undamaged(io.BytesIO(b"data"), "out.txt", written)
    with pytest.raises(OutputLostError, match=r"^out\.txt is damaged on the disk$"):
        check_undamaged(io.BytesIO(content), "out.txt", written)
