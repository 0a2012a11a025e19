"""The files of one attempt; they appear together."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from common.errors import OutputLostError
from common.model import Attempt, Buffer, CommittedFile, LongArray, RecordFormat
from common.records import checksum
from common.records.base import Encoder
from common.store.names import MANIFEST, SUFFIXES, TEMPORARY

CHUNK_BYTES = 1 << 18
"""The size of a chunk in a gRPC stream that takes the least time: copies of it stay in the cache."""


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
    """The files that one attempt writes: under temporary names until the commit."""

    def __init__(self, folder: Path, attempt: Attempt, tag: int, kind: RecordFormat) -> None:
        # Plain strings: a small iteration would spend much of its time on Path objects.
        self._folder = str(folder)
        self._end = f".{attempt.stage.sequence}-{attempt.number}-{tag}{TEMPORARY}"
        self._suffix = SUFFIXES[kind]
        self._temporary: dict[str, str] = {}
        self.attempt = attempt
        self.written: dict[str, CommittedFile] = {}

    def path(self, name: str) -> str:
        """Return the path of a file after the commit."""
        return f"{self._folder}/{name}{self._suffix}"

    def write(self, name: str, records: Encoder, positions: LongArray | None = None) -> CommittedFile:
        """Write the records at some positions (None: all) to a file that appears at the commit."""
        self._temporary[name] = path = f"{self._folder}/.{name}{self._suffix}{self._end}"
        with open(path, "wb") as file:  # noqa: PTH123
            checked = _ChecksummedFile(file)
            records.write(checked, positions)
        count = len(records) if positions is None else len(positions)
        self.written[name] = CommittedFile(checked.size_bytes, count, checked.crc32)
        return self.written[name]

    def commit(self) -> None:
        """Give the files their names, and the manifest its own last."""
        manifest = f"{self._folder}/{MANIFEST}"
        with suppress(FileNotFoundError):
            os.unlink(manifest)  # noqa: PTH108
        for name in list(self._temporary):
            os.replace(self._temporary[name], self.path(name))  # noqa: PTH105
            del self._temporary[name]
        temporary = f"{self._folder}/.{MANIFEST}{self._end}"
        with open(temporary, "wb") as out:  # noqa: PTH123
            out.write(self._manifest())
        os.replace(temporary, manifest)  # noqa: PTH105

    def _manifest(self) -> bytes:
        """Return a line about the attempt, then a line for each file that begins with its name."""
        stage = self.attempt.stage
        of_iteration = "" if stage.iteration is None else f" iteration={stage.iteration}"
        lines = [
            f"attempt={self.attempt.number} task={self.attempt.task + 1} job={stage.job}{of_iteration}\n"
        ]
        for name, file in self.written.items():
            content = f"size_bytes={file.size_bytes} records={file.records} crc32={file.crc32:08x}"
            lines.append(f"{name}{self._suffix} {content}\n")
        return "".join(lines).encode()

    def remove(self) -> None:
        """Remove the files that were not committed."""
        for path in self._temporary.values():
            Path(path).unlink(missing_ok=True)


def check_undamaged(file: BinaryIO, name: str, content: CommittedFile) -> None:
    """Raise OutputLostError if a file no longer has the size and checksum that it was written with."""
    size_bytes, crc32 = 0, 0
    while chunk := file.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        crc32 = checksum(chunk, crc32)
    if (size_bytes, crc32) != (content.size_bytes, content.crc32):
        raise OutputLostError(f"{name} is damaged on the disk")
