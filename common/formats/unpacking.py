"""Files as a reader wants them: those that are compressed are unpacked while they are read."""

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

_SKIP_BYTES = 1 << 20
_DAMAGED = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError)


def _open_zstd(path: Path) -> IO[bytes]:
    import pyarrow

    return cast(IO[bytes], pyarrow.input_stream(str(path), compression="zstd"))


COMPRESSIONS: dict[str, tuple[re.Pattern[bytes], Callable[[Path], IO[bytes]]]] = {
    "gzip": (re.compile(rb"\x1f\x8b"), lambda path: cast(IO[bytes], gzip.GzipFile(path))),
    "bzip2": (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P)"), lambda path: cast(IO[bytes], bz2.BZ2File(path))),
    "xz": (re.compile(rb"\xfd7zXZ\0"), lambda path: cast(IO[bytes], lzma.LZMAFile(path))),  # noqa: SIM115
    "zstd": (re.compile(rb"\x28\xb5\x2f\xfd"), _open_zstd),
}
"""What a compressed file begins with, and what opens it."""
_MAGIC_BYTES = 10


def compression_of(path: Path) -> str | None:
    """Name how a file is compressed; None if it is not."""
    with path.open("rb") as file:
        head = file.read(_MAGIC_BYTES)
    return next((name for name, (magic, _) in COMPRESSIONS.items() if magic.match(head)), None)


def open_bytes(path: Path) -> BinaryIO:
    """Open a file for reading what it holds, unpacked; OSError, also later, if it can't be read."""
    name = compression_of(path)
    return path.open("rb") if name is None else cast(BinaryIO, _Unpacked(path, name))


class _Unpacked(io.RawIOBase):
    """Unpacks a file from its beginning up to where it is read; each read is full but for the last."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        _, self._open = COMPRESSIONS[name]
        self._file = self._open(path)
        self._at = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view, size = memoryview(buffer), 0
        try:
            while size < len(view) and (part := self._file.read(len(view) - size)):
                view[size : size + len(part)] = part
                size += len(part)
        except _DAMAGED as error:
            raise OSError(f"it is compressed by {self._name}, but damaged or cut off ({error})") from None
        self._at += size
        return size

    def seek(self, to: int, _whence: int = 0) -> int:
        """Go to a byte of what is unpacked; backwards from the beginning again."""
        if to < self._at:
            self._file.close()
            self._file, self._at = self._open(self._path), 0
        while self._at < to and self.read(min(to - self._at, _SKIP_BYTES)):
            pass
        return self._at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._file.close()
        super().close()
