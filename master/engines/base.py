"""What describes an engine, and what every engine gets when it starts."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from common.errors import UsageError
from common.events.log import RunLog
from common.formats.base import InputFile
from common.formats.dataset import open_input, open_lines
from common.model import TaskOptions
from common.store.folders import DataDir
from master.options.config import RunConfig
from master.options.groups import HostOptions, WorkerOptions


@dataclass(frozen=True)
class EngineRequest:
    """What an engine starts from; `tasks` are what workers are told with each task.

    The data directory is locked. `stack` ends what the engine starts.
    """

    config: RunConfig
    tasks: TaskOptions
    file: InputFile
    data_dir: DataDir
    log: RunLog
    stack: ExitStack


@dataclass(frozen=True)
class Package:
    """What an engine needs that is not installed with us: the module to import, and how to install it."""

    name: str
    module: str
    pip: str


@dataclass(frozen=True)
class EngineRow:
    """An engine, as the table of engines describes it.

    A function is named as "module:function", and imported when it is needed.

    Parameters
    ----------
    help
        One line for the command line's help.
    start
        Takes an `EngineRequest`, returns the running `Engine`.
    threads
        Returns the threads of a map task; 0 lets the worker's host decide.
    takes, refuses
        Options that not every engine takes; options that make no sense with it, and why.
    open_input, reads_addresses
        Takes a `RunConfig` and an `ExitStack`, returns the opened input, which may be an address such as
        hdfs://host/file.
    writes_files
        Whether its workers write files, in folders of their own.
    package
        What it needs to be installed.
    open_array
        For an engine in this process: takes rows in memory and threads, returns the `Engine`. Other
        engines get such rows as a file.
    data_package, open_data
        Data of this package lie on the engine's cluster; how the estimator opens them there.
    """

    help: str
    start: str
    threads: Callable[[WorkerOptions, HostOptions], int]
    takes: tuple[str, ...] = ()
    refuses: Mapping[str, str] = field(default_factory=dict)
    open_input: str = "master.engines.base:open_file"
    reads_addresses: bool = False
    writes_files: bool = False
    package: Package | None = None
    open_array: str | None = None
    data_package: str | None = None
    open_data: str | None = None


def load_function(target: str) -> Any:
    """Import "module:function"."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def check_installed(engine: str, package: Package | None) -> None:
    """Raise UsageError if a package is missing; the text says how to install it."""
    if package is not None and find_spec(package.module) is None:
        raise UsageError(f"--engine {engine} needs {package.name}: pip install {package.pip}")


def open_file(config: RunConfig, _stack: ExitStack) -> InputFile:
    """Open a file of this machine."""
    if config.input.reads_lines:
        return open_lines(config.input.input)
    return open_input(config.input.input, config.input.columns, config.input.dtype)
