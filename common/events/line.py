r"""An event as a line of dump.txt, and back.

    2026-01-31T12:00:00.123456Z M1 event=map_started stage=3 job=lloyd iteration=1 task=1 attempt=1 rows=1..16

A line is the UTC time, the process and `key=value` pairs, with one space between them. A text is quoted if
it is empty or holds a space, a quote, a backslash or a character that is not printable; within quotes, `\`
escapes. Commas join the items of a tuple, so there a text with a comma is quoted, too. Thus an event is one
printable line whatever it holds, `grep event=` and `cut` work, and `parse_line` undoes `Entry.line`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, get_args, get_origin

from common.errors import printable
from common.events.catalogue.base import EVENTS, Event
from common.events.catalogue.run import Unknown

_QUOTED = r'"(?:[^"\\\n]|\\.)*+"'
_VALUE = rf'(?:[^ "\\\n]|{_QUOTED})*+'
_STAMP = "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ"  # in half the time that isoformat takes
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_LINE = re.compile(rf"({_TIME}) ({_VALUE}) (event=(\w+)((?: \w+={_VALUE})*+))")
_PAIR = re.compile(rf"( \w+=)({_VALUE})")
_ITEM = re.compile(rf'(?:[^,"]|{_QUOTED})++')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U(000[0-9a-f]{5}|0010[0-9a-f]{4})|(.))")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Entry:
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
    for attribute, prefix, default, form, _ in _layout(text):
        value = getattr(event, attribute)
        if value is not default:
            text += prefix + form(value)
    return text


def parse_line(line: str) -> Entry:
    """Read a line of dump.txt; an event that this version does not know becomes `Unknown`.

    Raises
    ------
    ValueError
        It is no such line.
    """
    match = _LINE.fullmatch(line)
    if match is None:
        raise ValueError(f"not a line of dump.txt: {line[:200]!r}")
    time, process, text, name, pairs = match.groups()
    try:
        event = _parse_event(name, _PAIR.findall(pairs))
    except (KeyError, ValueError, TypeError):
        event = Unknown(text=text)
    return Entry(datetime.fromisoformat(time), _parse_text(process), event)


def parse_lines(text: str) -> Iterator[Entry]:
    """Read the lines of a file; those that were torn when their writer was killed are left out."""
    for line in text.split("\n")[:-1]:
        try:
            yield parse_line(line)
        except ValueError:
            continue


def read_dump(path: Path) -> list[Entry]:
    """Read a file, which may still be written to; see `parse_lines`."""
    return list(parse_lines(path.read_text(encoding="utf-8", errors="replace")))


class _Field(NamedTuple):
    """How a field of an event is written and read."""

    attribute: str
    prefix: str
    """What stands before the value: ` key=`."""
    default: object
    form: Callable[[Any], str]
    parse: Callable[[str], Any]


@cache
def _layout(name: str) -> tuple[_Field, ...]:
    return tuple(
        _Field(field.name, f" {field.name.removesuffix('_')}=", field.default, *_codec(field.type))
        for field in fields(EVENTS[name])  # type: ignore[arg-type]  # each event is a dataclass
    )


def _codec(kind: Any) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """Choose how values of a type are written and read."""
    if isinstance(kind, UnionType):
        (kind,) = set(get_args(kind)) - {NoneType}
    if get_origin(kind) is not tuple:
        return _CODECS[kind]
    (item, _) = get_args(kind)
    form, parse = (_item_text, _parse_text) if item is str else _CODECS[item]
    return (
        lambda items: ",".join(map(form, items)),
        lambda text: tuple(map(parse, _ITEM.findall(text))),
    )


def _parse_event(name: str, pairs: list[tuple[str, str]]) -> Event:
    layout = {field.prefix: field for field in _layout(name)}
    values = {}
    for prefix, text in pairs:
        values[layout[prefix].attribute] = layout[prefix].parse(text)
    return EVENTS[name](**values)


def _text(text: str) -> str:
    if text.isalnum():  # most are
        return text
    if text and text.isprintable() and " " not in text and '"' not in text and "\\" not in text:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def _item_text(text: str) -> str:
    quoted = _text(text)
    return f'"{quoted}"' if "," in quoted and not quoted.startswith('"') else quoted


def _parse_text(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPE.sub(_unescape, text[1:-1])


def _unescape(match: re.Match[str]) -> str:
    *codes, letter = match.groups()
    code = next(filter(None, codes), None)
    return _LETTERS.get(letter, letter) if code is None else chr(int(code, 16))


_CODECS: dict[Any, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    bool: (str, {"True": True, "False": False}.__getitem__),
    int: (str, int),
    float: (lambda number: repr(float(number)), float),
    str: (_text, _parse_text),
}
