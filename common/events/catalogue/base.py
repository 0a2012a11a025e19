"""What every event has in common."""

import re
from dataclasses import dataclass
from typing import ClassVar, dataclass_transform

EVENTS: dict[str, type["Event"]] = {}
"""Every kind of event, by its name in dump.txt."""

_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Event:
    """Something that happened: a subclass is a dataclass whose fields say what is known about it.

    A field is an int, a float, a bool, a str or a tuple of these. Its name in dump.txt is the attribute's,
    without an underscore at the end. A field whose default is None or False is left out where it has it.
    """

    name: ClassVar[str]
    """In dump.txt: the class's name in snake_case."""

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        """Make the class a dataclass and, unless it only has fields for others, enter it in the catalogue."""
        # A method that `dataclass` writes is compiled in every process, and there are many events. So it
        # writes the constructor alone, and mypy sees to it that nobody changes a field.
        dataclass(kw_only=True, eq=False, repr=False)(cls)
        if not abstract:
            cls.name = _WORD_STARTS.sub("_", cls.__name__).lower()
            EVENTS[cls.name] = cls

    def __eq__(self, other: object) -> bool:
        """Compare class and fields."""
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        """Return the same for equal events."""
        return hash((self.name, *vars(self).values()))

    def __repr__(self) -> str:
        """Return what would make it again."""
        said = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__name__}({said})"
