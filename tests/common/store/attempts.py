"""Attempts and their files, for the tests of the store."""

from collections.abc import Callable
from pathlib import Path

from common.model import Attempt, CommittedFile, LongArray, Stage
from common.records import checksum
from common.records.base import Sink
from common.store.node import NodeStore


def attempt(number: int = 1, *, sequence: int = 1, task: int = 0, iteration: int | None = 1) -> Attempt:
    return Attempt(Stage(sequence, "lloyd" if iteration else "describe", iteration), task, number)


def nothing() -> None:
    """Do nothing."""


def stop() -> None:
    raise KeyboardInterrupt


class Content:
    """One record, written in two pieces."""

    def __init__(self, content: bytes, suffix: str = ".txt") -> None:
        self._content = content
        self.suffix = suffix

    def __len__(self) -> int:
        return 1

    def write(self, sink: Sink, positions: LongArray | None = None) -> None:
        assert positions is None
        sink.write(self._content[:1])
        sink.write(memoryview(self._content)[1:])


def commit(
    store: NodeStore,
    this: Attempt,
    *,
    keep: bool = False,
    suffix: str = ".txt",
    meanwhile: Callable[[], None] = nothing,
    **contents: bytes,
) -> None:
    """Commit files named after their arguments; do something after the first is written."""
    with store.attempt(this, keep_iterations=keep) as files:
        for name, content in (contents or {"output": b"data"}).items():
            assert files.write(name, Content(content, suffix)) == CommittedFile(
                len(content), 1, checksum(content)
            )
            meanwhile()
            meanwhile = nothing


def read(store: NodeStore, this: Attempt, name: str = "output", offset: int = 0) -> bytes:
    return b"".join(store.read(this, name, offset))


def tree(folder: Path) -> list[str]:
    """Return the files below a folder, hidden ones too, but no manifests and no marks."""
    hidden = ("manifest.txt", ".mapreduce")
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in hidden]
    return sorted(str(path.relative_to(folder)) for path in files)
