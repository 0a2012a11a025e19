"""The algorithms, one package each: a loop that asks an engine to run jobs.

Each package here has a module `commands` with its `COMMANDS`. A package from elsewhere announces its own by
an entry point of the group `mapreduce.algorithms`:

    [project.entry-points."mapreduce.algorithms"]
    median = "my_package.my_module:COMMANDS"
"""

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from common.errors import UsageError
from master.algorithms.base import Command


def own_commands() -> list[Command]:
    """Return the commands of the packages here, those of the first package first."""
    packages = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    modules = [import_module(f"{__name__}.{name}.commands") for name in packages]
    return [command for module in modules for command in module.COMMANDS]


def announced_commands() -> Iterator[Command]:
    """Yield the commands of installed packages that announce theirs; UsageError if one does not load."""
    from importlib.metadata import entry_points  # takes a while

    for announced in entry_points(group="mapreduce.algorithms"):
        try:
            yield from announced.load()
        except Exception as error:
            raise UsageError(
                f"command {announced.name} ({announced.value}) cannot be loaded: {error!r}"
            ) from error
