"""How options are declared: as fields of a frozen dataclass, each with its text for the command line.

    @dataclass(frozen=True)
    class FailureOptions:
        title: ClassVar[str] = "Trying failures"
        fail_rate: Annotated[float, Option("Probability that a task fails.")] = 0.0

The command line derives `--fail-rate` from this: its type, its default, its help. What the user gives is put
into the dataclass by the fields' names. This module does not know the library that parses command lines.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from typing import Annotated, Any, NewType, get_args, get_origin

from common.errors import UsageError

EngineName = NewType("EngineName", str)
"""The name of an engine in the table of engines."""


@dataclass(frozen=True)
class Option:
    """What the command line says of a field.

    Parameters
    ----------
    help
        What it does: its unit, and what 0 means.
    name
        With dashes; by default the field's name.
    metavar
        Stands for the value in the help.
    """

    help: str
    name: str | None = None
    metavar: str | None = None


@dataclass(frozen=True)
class DeclaredOption:
    """An option of a group: its field, its name with dashes, its type and default (MISSING: required)."""

    field: str
    name: str
    kind: Any
    default: Any
    option: Option


def declared_options(group: Any) -> Iterator[DeclaredOption]:
    """Yield the options of a group: a dataclass, or an instance of it, whose values are the defaults then."""
    for field in fields(group):
        if get_origin(field.type) is Annotated:
            kind, option = get_args(field.type)
            default = field.default if isinstance(group, type) else getattr(group, field.name)
            name = option.name or f"--{field.name.replace('_', '-')}"
            yield DeclaredOption(field.name, name, kind, default, option)


def given_options(*groups: Any) -> set[str]:
    """Return the names of the options whose values are not the defaults."""
    return {
        each.name
        for group in groups
        for each in declared_options(type(group))
        if each.default is MISSING or getattr(group, each.field) != each.default
    }


def at_least(name: str, value: float, least: float) -> None:
    """Raise UsageError if an option is less than that."""
    if not value >= least:
        raise UsageError(f"{name} is {value}, but must be {least} or more")


def at_most(name: str, value: float, most: float) -> None:
    """Raise UsageError if an option is more than that."""
    if not value <= most:
        raise UsageError(f"{name} is {value}, but must be {most} or less")
