"""The files of one attempt; they appear together."""

import os
from contextlib import suppress
from typing import BinaryIO

from common.errors import OutputLostError
from common.model import Attempt, Buffer, CommittedFile, LongArray
from common.records import checksum
from common.records.base import Encoder
from common.store.names import MANIFEST, TEMPORARY

CHUNK_BYTES = 1 << 18
"""The size of a chunk in a gRPC stream that takes the least time: copies of it stay in the cache."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL


class _ChecksummedFile:
    """Writes to a file and keeps the size and the checksum of what was written."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size_bytes = 0
        self.crc32 = 0

    def write(self, data: Buffer, /) -> None:
        self.size_bytes += self._file.write(data)
        self.crc32 = checksum(data, self.crc32)


class AttemptFiles:
    """The files that one attempt writes: under temporary names until the commit.

    `place` is the attempt's folder in the node's folder, which is held open: empty, or it ends in a slash.
    """

    def __init__(self, folder: int, place: str, attempt: Attempt, tag: int) -> None:
        # Plain strings: a small iteration would spend much of its time on Path objects.
        self._folder, self._place = folder, place
        self._end = f".{attempt.stage.sequence}-{attempt.number}-{tag}{TEMPORARY}"
        self._temporary: dict[str, str] = {}
        self._full_names: dict[str, str] = {}
        self.attempt = attempt
        self.written: dict[str, CommittedFile] = {}

    def path(self, name: str) -> str:
        """Return the path of a file after the commit, from the node's folder."""
        return f"{self._place}{self._full_names[name]}"

    def write(self, name: str, records: Encoder, positions: LongArray | None = None) -> CommittedFile:
        """Write the records at some positions (None: all) to a file that appears at the commit."""
        self._full_names[name] = full_name = f"{name}{records.suffix}"
        self._temporary[name] = path = f"{self._place}.{full_name}{self._end}"
        with self._create(path) as file:
            checked = _ChecksummedFile(file)
            records.write(checked, positions)
        count = len(records) if positions is None else len(positions)
        self.written[name] = CommittedFile(checked.size_bytes, count, checked.crc32)
        return self.written[name]

    def commit(self) -> None:
        """Give the files their names, and the manifest its own last."""
        manifest = f"{self._place}{MANIFEST}"
        with suppress(FileNotFoundError):
            os.unlink(manifest, dir_fd=self._folder)
        for name in list(self._temporary):
            self._rename(self._temporary[name], self.path(name))
            del self._temporary[name]
        temporary = f"{self._place}.{MANIFEST}{self._end}"
        with self._create(temporary) as out:
            out.write(self._manifest())
        self._rename(temporary, manifest)

    def _create(self, path: str) -> BinaryIO:
        return os.fdopen(os.open(path, _NEW_FILE, 0o666, dir_fd=self._folder), "wb")

    def _rename(self, path: str, to: str) -> None:
        os.replace(path, to, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _manifest(self) -> bytes:
        """Return a line about the attempt, then a line for each file that begins with its name."""
        stage = self.attempt.stage
        of_iteration = "" if stage.iteration is None else f" iteration={stage.iteration}"
        lines = [
            f"attempt={self.attempt.number} task={self.attempt.task + 1} job={stage.job}{of_iteration}\n"
        ]
        for name, file in self.written.items():
            content = f"size_bytes={file.size_bytes} records={file.records} crc32={file.crc32:08x}"
            lines.append(f"{self._full_names[name]} {content}\n")
        return "".join(lines).encode()

    def remove(self) -> None:
        """Remove the files that were not committed."""
        for path in self._temporary.values():
            with suppress(FileNotFoundError):
                os.unlink(path, dir_fd=self._folder)


def check_undamaged(file: BinaryIO, name: str, content: CommittedFile) -> None:
    """Raise OutputLostError if a file no longer has the size and checksum that it was written with."""
    size_bytes, crc32 = 0, 0
    while chunk := file.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        crc32 = checksum(chunk, crc32)
    if (size_bytes, crc32) != (content.size_bytes, content.crc32):
        raise OutputLostError(f"{name} is damaged on the disk")
