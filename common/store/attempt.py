"""The files of one attempt; they appear together."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A committed file: its path, and its size, records and checksum when it was written."""

    path: str
    content: CommittedFile


class AttemptFiles:
    """The files that one attempt has written so far, under temporary names."""

    def __init__(self, folder: Path, attempt: Attempt, tag: int, kind: RecordFormat) -> None:
        # Plain strings: a small iteration would spend much of its time on Path objects.
        self._folder = str(folder)
        self._attempt = attempt
        self._end = f".{attempt.stage.sequence}-{attempt.number}-{tag}{TEMPORARY}"
        self._suffix = SUFFIXES[kind]
        self._temporary: dict[str, str] = {}
        self._written: dict[str, CommittedFile] = {}

    def write(self, name: str, records: Encoder, positions: LongArray | None = None) -> CommittedFile:
        """Write the records at some positions (None: all) to a file that appears at the commit."""
        self._temporary[name] = path = f"{self._folder}/.{name}{self._suffix}{self._end}"
        with open(path, "wb") as file:  # noqa: PTH123
            checked = _ChecksummedFile(file)
            records.write(checked, positions)
        count = len(records) if positions is None else len(positions)
        self._written[name] = CommittedFile(checked.size_bytes, count, checked.crc32)
        return self._written[name]

    def commit(self) -> dict[str, StoredFile]:
        """Give the files their names, and the manifest its own last; return where each one is."""
        manifest = f"{self._folder}/{MANIFEST}"
        with suppress(FileNotFoundError):
            os.unlink(manifest)  # noqa: PTH108
        committed = {}
        for name, content in self._written.items():
            committed[name] = StoredFile(f"{self._folder}/{name}{self._suffix}", content)
            os.replace(self._temporary[name], committed[name].path)  # noqa: PTH105
            del self._temporary[name]
        temporary = f"{self._folder}/.{MANIFEST}{self._end}"
        with open(temporary, "wb") as out:  # noqa: PTH123
            out.write(_manifest(self._attempt, committed, self._suffix))
        os.replace(temporary, manifest)  # noqa: PTH105
        return committed

    def remove(self) -> None:
        """Remove the files that were not committed."""
        for path in self._temporary.values():
            Path(path).unlink(missing_ok=True)


def _manifest(attempt: Attempt, files: Mapping[str, StoredFile], suffix: str) -> bytes:
    """Write a line about the attempt, then a line for each file that begins with its name."""
    stage = attempt.stage
    of_iteration = "" if stage.iteration is None else f" iteration={stage.iteration}"
    lines = [f"attempt={attempt.number} task={attempt.task + 1} job={stage.job}{of_iteration}\n"]
    for name, file in files.items():
        size, records, crc32 = file.content.size_bytes, file.content.records, file.content.crc32
        lines.append(f"{name}{suffix} size_bytes={size} records={records} crc32={crc32:08x}\n")
    return "".join(lines).encode()


def check_undamaged(file: BinaryIO, stored: StoredFile) -> None:
    """Raise OutputLostError if a file no longer has the size and checksum that it was written with."""
    size_bytes, crc32 = 0, 0
    while chunk := file.read(CHUNK_BYTES):
        size_bytes += len(chunk)
        crc32 = checksum(chunk, crc32)
    if (size_bytes, crc32) != (stored.content.size_bytes, stored.content.crc32):
        raise OutputLostError(f"{Path(stored.path).name} is damaged on the disk")
