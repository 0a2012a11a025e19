"""Where a run reads and writes: no two of these files are the same, and none is one of the run's own."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from common.errors import UsageError
from common.formats.dataset import check_readable, files_of
from common.store.files import is_standard_output, resolve, temporary_name
from common.store.folders import DataDir
from common.store.names import RESULTS
from master.options.groups import RunConfig


def check_places(config: RunConfig, data_dir: DataDir, results: Sequence[str]) -> None:
    """Refuse, before anything is touched, what cannot be read or written, or would be overwritten.

    `results` are the names of the files that the run will write into the data directory.
    """
    if not config.input.is_address:
        for path in _input_files(config):
            _check_input(path, data_dir, results)
    taken = list(_taken(config, data_dir, [*results, *RESULTS]))
    for option, path in _written(config).items():
        check_writable(option, path)
        for other, what in taken:
            if _is_same(path, other):
                raise UsageError(f"{option} {path} would overwrite {what}")
        if claim := data_dir.claim(resolve(path)):
            raise UsageError(f"{option} {path} is {claim}; choose another file")
        taken.append((path, f"what {option} writes"))


def _written(config: RunConfig) -> dict[str, Path]:
    """Return the files that options name for writing; standard output is none."""
    views = {"--report": config.output.report, "--trace": config.output.trace}
    shown = {name: path for name, path in views.items() if path is not None}
    written = {"--dump": config.output.dump, **shown, **config.written}
    if is_standard_output(config.labels):
        if sys.__stdout__ is None:
            raise UsageError(f"--labels {config.labels}: standard output is closed")
        return written
    return written | ({} if config.labels is None else {"--labels": config.labels})


def _input_files(config: RunConfig) -> list[Path]:
    path = Path(config.input.input)
    return files_of(path) or [path]


def _check_input(path: Path, data_dir: DataDir, results: Sequence[str]) -> None:
    check_readable(path)
    claim = data_dir.claim(resolve(path))
    if any(_is_same(path, data_dir.result(name)) for name in results):
        claim = "the result"
    if claim:
        raise UsageError(f"--input {path} is {claim}, which the run deletes; copy it to another place first")


def _taken(config: RunConfig, data_dir: DataDir, results: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Yield the files that others have, and what they are."""
    yield from ((data_dir.result(name), "the result") for name in results)
    if config.given is not None:
        yield config.given, "what the run reads"
    if not config.input.is_address:
        yield from ((path, "the input") for path in _input_files(config))


def _is_same(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file, perhaps by links of any kind."""
    if resolve(path) == resolve(other):
        return True
    with suppress(OSError):  # one is not there
        return path.samefile(other)
    return False


def check_writable(option: str, path: Path) -> None:
    """Raise UsageError if the file that an option names cannot be written."""
    try:
        _check_writable(option, path)
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None


def _check_writable(option: str, path: Path) -> None:
    parent = path.parent if not path.parent.is_dir() else resolve(path).parent
    if not parent.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {parent}")
    if path.is_dir():
        raise UsageError(f"{option} {path}: a folder, not a file")
    if not all(os.access(each, os.W_OK) for each in _changed(path, parent)):
        raise UsageError(f"{option} {path}: no permission to write there")
    if len(os.fsencode(temporary_name(path.name))) > os.pathconf(parent, "PC_NAME_MAX"):
        raise UsageError(f"{option} {path}: the name is too long")


def _changed(path: Path, parent: Path) -> Iterator[Path]:
    """Yield what must be writable: a file is replaced, a pipe or a device is not."""
    if path.exists():
        yield path
    if path.is_file() or not path.exists():
        yield parent
