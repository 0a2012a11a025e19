"""The files that tasks have left, read one by one; what is wrong with a file is kept beside it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zlib import crc32

from common.model import RecordFormat, Records
from common.records import decode
from common.records.text import rows_to_print
from common.store.names import MANIFEST, MAP_OUTPUT, REDUCE_OUTPUT, SUFFIXES, partition_name
from master.teaching.finished import DoneTask, FinishedRun


@dataclass(frozen=True)
class RecordFile:
    """A file of records; one that cannot be read has none, and `problem` says why."""

    path: Path
    content: bytes
    records: Records
    problem: str = ""

    def place(self, index: int) -> str:
        """Name the place of a record, counted from 0."""
        return f"{self.path}, {'line' if self._is_text else 'record'} {index + 1}"

    def text(self, index: int) -> str:
        """Return a record as it stands in a text file; one in another file, as it would stand in a text."""
        if self._is_text:
            return self.content.splitlines()[index].decode()
        return f"{self.records.keys[index]},{rows_to_print(self.records.values[[index]])[0]}"

    @property
    def _is_text(self) -> bool:
        return self.path.suffix == ".txt"

    @property
    def vouched(self) -> str:
        """What the manifest says of a file like this."""
        count = f"size_bytes={len(self.content)} records={len(self.records)}"
        return f"{self.path.name} {count} crc32={crc32(self.content):08x}"


@dataclass(frozen=True)
class Outputs:
    """The files of one task: `records` has those that the paper's rules ask for, by their names."""

    task: DoneTask
    records: Mapping[str, RecordFile]

    @property
    def manifest(self) -> Path:
        """Where the manifest is."""
        return self.task.folder / MANIFEST

    @cached_property
    def manifest_lines(self) -> list[str]:
        """The lines of the manifest; none if it cannot be read."""
        return _lines_of(self.manifest)


@dataclass(frozen=True)
class MapOutputs(Outputs):
    """Those of a map task."""

    @property
    def map_output(self) -> RecordFile:
        """All its records, in the order of its rows."""
        return self.records[MAP_OUTPUT]

    @property
    def partitions(self) -> list[RecordFile]:
        """Its partition files, in order."""
        return [file for name, file in self.records.items() if name != MAP_OUTPUT]


@dataclass(frozen=True)
class ReduceOutputs(Outputs):
    """Those of a reduce task."""

    @property
    def output(self) -> RecordFile:
        """The reduced records."""
        return self.records[REDUCE_OUTPUT]


def read_map_outputs(run: FinishedRun) -> list[MapOutputs]:
    """Read the files of all map tasks."""
    names = [MAP_OUTPUT, *map(partition_name, range(run.started.reducers))]
    return [MapOutputs(task, _read_all(run, task.folder, names)) for task in run.map_tasks]


def read_reduce_outputs(run: FinishedRun) -> list[ReduceOutputs]:
    """Read the files of all reduce tasks."""
    return [ReduceOutputs(task, _read_all(run, task.folder, [REDUCE_OUTPUT])) for task in run.reduce_tasks]


def _read_all(run: FinishedRun, folder: Path, names: list[str]) -> dict[str, RecordFile]:
    listed = {line.split(" ")[0] for line in _lines_of(folder / MANIFEST)}
    return {name: _read(_find(folder, name, listed), run.kind) for name in names}


def _lines_of(manifest: Path) -> list[str]:
    try:
        return manifest.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _find(folder: Path, name: str, listed: Collection[str]) -> Path:
    """Return the path of the file that the manifest lists; if it lists none, of one that is there."""
    paths = [folder / f"{name}{suffix}" for suffix in SUFFIXES]
    return next(filter(Path.exists, sorted(paths, key=lambda path: path.name not in listed)), paths[0])


def _read(path: Path, kind: RecordFormat) -> RecordFile:
    content = b""
    try:
        content = path.read_bytes()
        return RecordFile(path, content, Records.concatenate(decode(content, kind)))
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except ValueError as error:
        problem = f"not a file of records: {error}"
    return RecordFile(path, content, Records.empty(), problem)
