"""How options are declared: as fields of a frozen dataclass, each with its text for the command line.

    @dataclass(frozen=True)
    class FailureOptions:
        title: ClassVar[str] = "Trying failures"
        fail_rate: float = option(0.0, "Probability that a task fails.")

The command line derives `--fail-rate` from this: its type, its default, its help. What the user gives is put
into the dataclass by the fields' names. This module does not know the library that parses command lines.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, NewType, TypeVar

from common.errors import UsageError

EngineName = NewType("EngineName", str)
"""The name of an engine in the table of engines."""

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class DeclaredOption:
    """An option of a group; `name` has its dashes, and the default is MISSING if it is required."""

    field: str
    name: str
    kind: Any
    default: Any
    text: str
    metavar: str | None


def option(default: _Value, text: str, name: str | None = None, metavar: str | None = None) -> _Value:
    """Declare an option; `text` says what it does, its unit, and what 0 means."""
    return field(default=default, metadata={"text": text, "name": name, "metavar": metavar})


def required(text: str, name: str | None = None, metavar: str | None = None) -> Any:
    """Declare an option without a default."""
    return option(MISSING, text, name, metavar)


def declared_options(group: Any) -> Iterator[DeclaredOption]:
    """Yield the options of a group: a dataclass, or an instance of it, whose values are the defaults then."""
    for each in fields(group):
        if said := each.metadata:
            default = each.default if isinstance(group, type) else getattr(group, each.name)
            name = said["name"] or f"--{each.name.replace('_', '-')}"
            yield DeclaredOption(each.name, name, each.type, default, said["text"], said["metavar"])


def given_options(*groups: Any) -> set[str]:
    """Return the names of the options whose values are not the defaults."""
    return {
        each.name
        for group in groups
        for each in declared_options(type(group))
        if getattr(group, each.field) != each.default
    }


def at_least(name: str, value: float, least: float) -> None:
    """Raise UsageError if an option is less than that."""
    if not value >= least:
        raise UsageError(f"{name} is {value}, but must be {least} or more")


def at_most(name: str, value: float, most: float) -> None:
    """Raise UsageError if an option is more than that."""
    if not value <= most:
        raise UsageError(f"{name} is {value}, but must be {most} or less")
