"""dump.txt: one event is one line, whatever is in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.errors import UsageError
from common.events.dump import Dump, EventLog
from common.events.event import Event
from common.model import Role, Split

TIME = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
PREFIX = "2026-01-31T12:00:00.123456Z M1 event=tried"

FIELDS: dict[str, tuple[object, str]] = {
    "text": ("M2", "M2"),
    "unicode": ("größer—比", "größer—比"),
    "equals": ("a=b", "a=b"),
    "path": (Path("/tmp/x"), "/tmp/x"),
    "enum": (Role.MAPPER, "mapper"),
    "split": (Split(0, 0, 15), "1..15"),
    "integer": (-3, "-3"),
    "bool": (True, "True"),
    "none": (None, "None"),
    "float": (0.1, "0.1"),
    "float_whole": (2.0, "2.0"),
    "float_small": (5e-324, "5e-324"),
    "infinity": (float("inf"), "inf"),
    "list": ([1, 2.5, "x"], "1,2.5,x"),
    "tuple": ((1, 2), "1,2"),
    "list_of_one": ([7], "7"),
    "empty_list": ([], '""'),
    "list_with_space": (["a b", "c"], '"a b,c"'),
    "empty": ("", '""'),
    "space": ("a b", '"a b"'),
    "quote": ('say "x"', '"say \\"x\\""'),
    "backslash": ("a\\b", '"a\\\\b"'),
    "backslash_n": ("a\\nb", '"a\\\\nb"'),
    "newline": ("a\nb", '"a\\nb"'),
    "carriage_return": ("a\r\nb", '"a\\r\\nb"'),
}
CONTROLS: dict[str, tuple[object, str]] = {
    "tab": ("a\tb", '"a\\tb"'),
    "nul": ("a\x00b", '"a\\x00b"'),
    "escape": ("\x1b[31mred", '"\\x1b[31mred"'),
    "delete": ("\x7f", '"\\x7f"'),
    "next_line": ("a\x85b", '"a\\x85b"'),
    "vertical_tab": ("a\vb", '"a\\x0bb"'),
    "line_separator": ("a\u2028b", '"a\\u2028b"'),
    "surrogate": ("a\udcffb", "a\\udcffb"),
}


def line(**fields: object) -> str:
    return Event(TIME, "M1", "tried", fields).line()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "dump.txt"


@pytest.mark.parametrize(("value", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_field_in_a_line(value: object, expected: str) -> None:
    assert line(value=value) == f"{PREFIX} value={expected}"


def test_fields_keep_their_order() -> None:
    assert line() == PREFIX
    assert line(method="Map", to="M1", attempt=1) == f"{PREFIX} method=Map to=M1 attempt=1"


@pytest.mark.parametrize(("value", "expected"), (FIELDS | CONTROLS).values(), ids=FIELDS | CONTROLS)
def test_one_event_is_one_line_of_the_dump(path: Path, value: object, expected: str) -> None:
    dump = Dump(path)
    dump.write(line(value=value))
    dump.write(line(next=1))
    dump.close()
    whole = path.read_text(encoding="utf-8")
    assert whole == f"{PREFIX} value={expected}\n{PREFIX} next=1\n"
    assert len(whole.splitlines()) == 2


def test_the_dump_escapes_lines_of_others(path: Path) -> None:
    dump = Dump(path)
    dump.write("R1 event=x\nforged event=y\r\x1b[2J")
    dump.close()
    assert path.read_bytes() == b"R1 event=x\\nforged event=y\\r\\x1b[2J\n"


def test_the_dump_shows_each_line_at_once(path: Path) -> None:
    dump = Dump(path)
    dump.write("first")
    assert path.read_text() == "first\n"
    dump.close()


def test_the_dump_replaces_an_older_one(path: Path) -> None:
    path.write_text("old\n")
    Dump(path).close()
    assert path.read_text() == ""


def test_a_closed_dump_takes_no_more(path: Path) -> None:
    dump = Dump(path)
    dump.write("kept")
    dump.close()
    dump.write("too late")
    dump.close()
    assert path.read_text() == "kept\n"


def test_a_discarded_dump_is_gone(path: Path) -> None:
    dump = Dump(path)
    dump.write("line")
    dump.discard()
    dump.discard()
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "Is a directory"),
        ("none/dump.txt", "No such file or directory"),
        ("x" * 300, "File name too long"),
    ],
    ids=["folder", "no_folder", "long_name"],
)
def test_refuses_what_cannot_be_written(tmp_path: Path, name: str, what: str) -> None:
    with pytest.raises(UsageError) as caught:
        Dump(tmp_path / name)
    assert str(caught.value) == f"--dump {tmp_path / name}: {what}"


def test_the_log_hands_over_events_with_process_and_time() -> None:
    events: list[Event] = []
    before = datetime.now(UTC)
    EventLog("R2", events.append).event("reduced", name="x", task=1)
    (event,) = events
    assert (event.process, event.name, event.fields) == ("R2", "reduced", {"name": "x", "task": 1})
    assert before <= event.time <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("old", "kept"), [("", ""), ("whole\n", "whole\n"), ("whole\ntor", "whole\ntor\n")], ids=repr
)
def test_the_dump_goes_on_after_an_older_one(path: Path, old: str, kept: str) -> None:
    path.write_text(old)
    dump = Dump(path, append=True)
    dump.write("new")
    dump.close()
    assert path.read_text() == f"{kept}new\n"
