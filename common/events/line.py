r"""An event as a line of dump.txt, and back.

    2026-01-31T12:00:00.123456Z M1 event=map_started stage=3 job=lloyd iteration=1 task=1 attempt=1 rows=1..16

A line is the UTC time, the process and `key=value` pairs, with one space between them. A text is quoted if
it is empty or holds a space, a quote, a backslash or a character that is not printable; within quotes, `\`
escapes. Commas join the items of a tuple, so there a text with a comma is quoted, too. Thus an event is one
printable line whatever it holds, `grep event=` and `cut` work, and `parse_line` undoes `Entry.line`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, get_args, get_origin

from common.errors import printable
from common.events.catalogue import kmeans, run, tasks, workers  # noqa: F401 (so that every event is known)
from common.events.catalogue.base import EVENTS, Event
from common.events.catalogue.run import Unknown

_QUOTED = r'"(?:[^"\\\n]|\\.)*+"'
_VALUE = rf'(?:[^ "\\\n]|{_QUOTED})*+'
_STAMP = "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ"  # in half the time that isoformat takes
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_LINE = re.compile(rf"({_TIME}) ({_VALUE}) (event=(\w+)((?: \w+={_VALUE})*+))")
_PAIR = re.compile(rf" (\w+)=({_VALUE})")
_ITEM = re.compile(rf'(?:[^,"]|{_QUOTED})++')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(000[0-9a-f]{5}|0010[0-9a-f]{4})|(.))")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}
_BOOLEANS = {"True": True, "False": False}


class Entry(NamedTuple):
    """An event, when it happened (in UTC) and in which process."""

    time: datetime
    process: str
    event: Event

    def line(self) -> str:
        """Return it as a line of dump.txt, without the line end."""
        at = self.time
        time = _STAMP % (at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond)
        return f"{time} {_text(self.process)} event={event_text(self.event)}"


def event_text(event: Event) -> str:
    """Return an event's name and its fields, as in a line."""
    text = event.name
    for (key, default, form), value in zip(_forms(text), vars(event).values(), strict=True):
        if value is not default:
            text += key + form(value)
    return text


def parse_line(line: str) -> Entry:
    """Read a line of dump.txt; an event that this version does not know becomes `Unknown`.

    Raises
    ------
    ValueError
        The text has another form.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line of dump.txt: {line[:200]!r}")
    time, process, text, name, pairs = match.groups()
    try:
        event = _parse_event(name, _PAIR.findall(pairs))
    except (KeyError, ValueError, TypeError):
        event = Unknown(text=text)
    return Entry(datetime.fromisoformat(time), _parse(str, process), event)


def parse_lines(text: str) -> Iterator[Entry]:
    """Read the lines of a file, except those that were cut off when their writer was killed."""
    for line in text.split("\n")[:-1]:
        try:
            yield parse_line(line)
        except ValueError:
            continue


def read_dump(path: Path) -> list[Entry]:
    """Read a file, which may still be written to; see `parse_lines`."""
    return list(parse_lines(path.read_text(encoding="utf-8", errors="replace")))


@cache
def _layout(name: str) -> dict[str, tuple[str, object, Any]]:
    """Return attribute, default and type of an event's fields, by their names in a line."""
    layout = {}
    for field in fields(EVENTS[name]):  # type: ignore[arg-type]  # each event is a dataclass
        kind = get_args(field.type)[0] if isinstance(field.type, UnionType) else field.type
        layout[field.name.removesuffix("_")] = (field.name, field.default, kind)
    return layout


@cache
def _forms(name: str) -> list[tuple[str, object, Callable[[Any], str]]]:
    """Return, of each field of an event, what its value stands behind, its default, and what writes a value.

    Made once for each kind of event: a short iteration has forty.
    """
    return [(f" {key}=", default, _form(kind)) for key, (_, default, kind) in _layout(name).items()]


def _parse_event(name: str, pairs: list[tuple[str, str]]) -> Event:
    layout, values = _layout(name), {}
    for key, text in pairs:
        attribute, _, kind = layout[key]
        values[attribute] = _parse(kind, text)
    return EVENTS[name](**values)


def _form(kind: Any) -> Callable[[Any], str]:
    """Return what writes values of a type."""
    if get_origin(kind) is tuple:
        (item, _) = get_args(kind)
        form = partial(_text, special=' "\\,') if item is str else _form(item)
        return lambda values: ",".join(map(form, values))
    if kind is str:
        return _text
    return (lambda number: repr(float(number))) if kind is float else str


@lru_cache(1024)  # most are names that come again
def _text(value: str, special: str = ' "\\') -> str:
    """Write a text; it is quoted if it holds one of the special characters."""
    if value and value.isprintable() and not any(character in value for character in special):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def _parse(kind: Any, text: str) -> Any:
    """Read a value of a type."""
    if get_origin(kind) is tuple:
        return tuple(_parse(get_args(kind)[0], item) for item in _ITEM.findall(text))
    if kind is bool:
        return _BOOLEANS[text]
    if kind is str:
        return _ESCAPE.sub(_unescape, text[1:-1]) if text.startswith('"') else text
    return kind(text)


def _unescape(match: re.Match[str]) -> str:
    *codes, letter = match.groups()
    code = next(filter(None, codes), None)
    return _LETTERS.get(letter, letter) if code is None else chr(int(code, 16))
