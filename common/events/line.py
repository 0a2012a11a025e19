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

from common.errors import is_printable, printable
from common.events.catalogue import kmeans, logistic, palette, run, tasks, workers  # noqa: F401 (so that every event is known)
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
    for (key, field), value in zip(_layout(text).items(), vars(event).values(), strict=True):
        if value is not field.default:
            text += key + field.write(value)
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
    time, process, said, name, pairs = match.groups()
    try:
        found = [(_layout(name)[key], text) for key, text in _PAIR.findall(pairs)]
        event = EVENTS[name](**{field.attribute: field.read(text) for field, text in found})
    except (KeyError, ValueError, TypeError):
        event = Unknown(text=said)
    return Entry(datetime.fromisoformat(time), _unquoted(process), event)


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


class _Field(NamedTuple):
    attribute: str
    default: object
    write: Callable[[Any], str]
    read: Callable[[str], Any]


@cache
def _layout(name: str) -> dict[str, _Field]:
    """Return an event's fields, by what their values stand behind in a line; made once for each event."""
    found = fields(EVENTS[name])  # type: ignore[arg-type]  # each event is a dataclass
    return {
        f" {field.name.removesuffix('_')}=": _Field(field.name, field.default, *_codec(field.type))
        for field in found
    }


def _codec(kind: Any) -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    """Return what writes and what reads values of a field's type, or of `type | None`."""
    if isinstance(kind, UnionType) and kind not in _CODECS:
        return _codec(get_args(kind)[0])
    if get_origin(kind) is tuple:
        write, read = _codec(get_args(kind)[0])
        each = partial(_text, special=' "\\,') if write is _text else write
        return lambda values: ",".join(map(each, values)), lambda text: tuple(map(read, _ITEM.findall(text)))
    return _CODECS[kind]


@lru_cache(1024)  # most are names that come again
def _text(value: str, special: str = ' "\\') -> str:
    """Write a text; it is quoted if it holds one of the special characters."""
    if value and is_printable(value) and not any(character in value for character in special):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def _unquoted(text: str) -> str:
    return _ESCAPE.sub(_unescape, text[1:-1]) if text.startswith('"') else text


def _unescape(match: re.Match[str]) -> str:
    *codes, letter = match.groups()
    code = next(filter(None, codes), None)
    return _LETTERS.get(letter, letter) if code is None else chr(int(code, 16))


_CODECS: dict[Any, tuple[Callable[[Any], str], Callable[[str], Any]]] = {
    int: (str, int),
    float: (lambda number: repr(float(number)), float),
    int | float: (str, lambda text: int(text) if text.removeprefix("-").isdecimal() else float(text)),
    bool: (str, {"True": True, "False": False}.__getitem__),
    str: (_text, _unquoted),
}
