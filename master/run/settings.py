"""How a run was started, for the first line of dump.txt."""

import platform
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from common import __version__
from common.events.catalogue.run import FORMAT, InputUnderstood, RunStarted
from common.formats.columns import position_list
from common.formats.dataset import InputFile
from common.formats.layout import MARK_NAMES
from common.machine import cores
from common.model import Input, InputFormat, TaskOptions
from master.options.groups import RunConfig

_OWN_FIELDS = {field.name for field in fields(RunStarted)} - {"columns"} | {"written", "choice"}
"""Of the configuration: what has a field of its own in the line, or is said by the algorithm's options."""
_PACKAGES = ("distributed", "grpcio", "numba", "numpy", "protobuf", "pyarrow", "pyspark")
_DIST_INFO = re.compile(rf"({'|'.join(_PACKAGES)})-(.+)\.dist-info")
_SECRET = re.compile("secret|password|token|access[.]?key", re.IGNORECASE)
"""Spark's own log leaves out the values of settings with such names, too."""


def run_started(
    config: RunConfig, tasks: TaskOptions, parameters: Mapping[str, str], source: Input
) -> RunStarted:
    """Describe a run that begins now; `parameters` are the algorithm's options."""
    settings = dict(_settings(config))
    choice = {"target": config.choice.target, "weights": config.choice.weights, "id": config.choice.ids}
    settings |= {name: value for name, value in choice.items() if value is not None}
    given = {name.removeprefix("--").replace("-", "_"): value for name, value in parameters.items()}
    settings |= {name: value for name, value in given.items() if value}
    return RunStarted(
        **surroundings(),
        command=config.command,
        input=source.path,
        rows=source.rows,
        columns=len(source.columns),
        dtype=source.dtype,
        engine=config.workers.engine,
        mappers=config.workers.mappers,
        reducers=config.workers.reducers,
        combine=tasks.combine,
        intermediate=tasks.intermediate,
        threads=tasks.threads,
        data_dir=str(config.output.data_dir),
        settings=tuple(f"{name}={value}" for name, value in settings.items()),
    )


def understood(file: InputFile) -> InputUnderstood:
    """Say what the input was taken for."""
    source = file.input
    delimiter = MARK_NAMES.get(source.dialect.delimiter, source.dialect.delimiter)
    return InputUnderstood(
        file=source.path,
        format=source.format,
        delimiter=delimiter if source.format is InputFormat.TEXT else None,
        header=bool(file.header),
        columns=source.names or tuple(position_list([column + 1 for column in source.columns]).split(",")),
    )


def surroundings() -> dict[str, Any]:
    """Return the fields that do not depend on what the run is asked to do."""
    versions = tuple(f"{name}={version}" for name, version in _versions().items())
    return {"format": FORMAT, "cores": cores(), "versions": versions}


def _settings(group: Any) -> Iterator[tuple[str, str]]:
    """Yield the values of a group of options, as far as they are given and have no field of their own."""
    for field in fields(group):
        value = getattr(group, field.name)
        if is_dataclass(value) and field.name != "choice":
            yield from _settings(value)
        elif field.name == "spark_conf":
            for name, _, text in (setting.partition("=") for setting in value):
                yield name, "(redacted)" if _SECRET.search(name) else text
        elif value is not None and field.name not in _OWN_FIELDS:
            yield field.name, str(value)


@cache
def _versions() -> dict[str, str]:
    """Return the versions of what decides how a run goes; `importlib.metadata` would take 50 ms to import."""
    found = {"kmeans-mapreduce": __version__, "python": platform.python_version()}
    for folder in map(Path, sys.path):
        with suppress(OSError):  # no folder, or one that we may not list
            for match in filter(None, (_DIST_INFO.fullmatch(path.name) for path in folder.iterdir())):
                found.setdefault(match[1], match[2])
    return found
