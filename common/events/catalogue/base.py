"""What every event has in common."""

import re
from typing import ClassVar

EVENTS: dict[str, type["Event"]] = {}
"""Every kind of event, by its name in dump.txt."""

_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])")


class Event:
    """Something that happened: a frozen dataclass whose fields say what is known about it.

    A field is an int, a float, a bool, a str or a tuple of these. Its name in dump.txt is the attribute's,
    without an underscore at the end. A field whose default is None or False is left out where it has it.
    """

    __slots__ = ()
    name: ClassVar[str]
    """In dump.txt: the class's name in snake_case."""

    def __init_subclass__(cls) -> None:
        """Enter the class in the catalogue."""
        cls.name = _WORD_STARTS.sub("_", cls.__name__).lower()
        EVENTS[cls.name] = cls
