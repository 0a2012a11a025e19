"""The files at an address: hdfs://, s3a://, file:// and whatever else Spark is set up for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from common.errors import InputError, RunFailedError, UsageError
from common.formats.content import HEAD_BYTES
from master.engines.spark.connect import FAILED, translated_errors

if TYPE_CHECKING:
    from pyspark import SparkContext


@dataclass(frozen=True)
class StoredFile:
    """A file at an address, its size and the time of its last change."""

    uri: str
    size_bytes: int
    mtime_ns: int


def files_at(context: "SparkContext", uri: str) -> list[StoredFile] | StoredFile:
    """Return the file at an address, or the files in the folder there; see `files_of`."""
    with refused(uri):
        path = context._jvm.org.apache.hadoop.fs.Path(uri)
        system = path.getFileSystem(context._jsc.hadoopConfiguration())
        status = system.getFileStatus(path)
        if not status.isDirectory():
            return _described(uri, status)
        inside = {each.getPath().getName(): each for each in system.listStatus(path)}
    found = {f"{uri.rstrip('/')}/{name}": inside[name] for name in sorted(inside) if name[0] not in "._"}
    if folder := next((each for each, status in found.items() if status.isDirectory()), None):
        raise InputError.at(folder, "a folder in a folder; --input takes one folder of files")
    if not found:
        raise InputError.at(uri, "there is no file")
    for each in found:
        refuse_patterns(each)
    return [_described(each, status) for each, status in found.items()]


def refuse_patterns(uri: str) -> None:
    """Raise UsageError if Spark would take the address for that of several files."""
    if patterns := set(uri) & set(",*?[]{}"):
        shown = " ".join(sorted(patterns))
        raise UsageError(
            f"--input {uri}: the characters {shown} are patterns in Spark; name a file or a folder"
        )


def _described(uri: str, status: Any) -> StoredFile:
    return StoredFile(uri, status.getLen(), status.getModificationTime() * 1_000_000)


def first_bytes(context: "SparkContext", uri: str) -> bytes:
    """Read the beginning of a file, which tells its format."""
    with refused(uri):
        path = context._jvm.org.apache.hadoop.fs.Path(uri)
        file = path.getFileSystem(context._jsc.hadoopConfiguration()).open(path)
        head: bytes = file.readNBytes(HEAD_BYTES)
        file.close()
    return head


@contextmanager
def refused(uri: str) -> Iterator[None]:
    """Turn what the file system says against a file into an error in the input."""
    from py4j.protocol import Py4JJavaError

    try:
        with translated_errors():
            yield
    except RunFailedError as error:
        if not isinstance(error.__cause__, Py4JJavaError):
            raise
        said = str(error).removeprefix(FAILED)
        reason = "No such file" if "FileNotFoundException" in said else said
        raise InputError.at(uri, f"cannot be read: {reason}") from None
