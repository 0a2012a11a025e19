"""An event is one printable line, whatever is in it, and comes back from it as it was."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.events.catalogue.base import EVENTS, Event
from common.events.catalogue.kmeans import Clusters
from common.events.catalogue.run import Checkpoint, InputUnderstood, InternalError, RunFinished, Unknown
from common.events.catalogue.tasks import RpcCall, RpcResponse
from common.events.catalogue.workers import WorkerLost, WorkerSaid
from common.events.line import Entry, parse_line, parse_lines, read_dump
from common.events.log import EventLog

TIME = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
PREFIX = "2026-01-31T12:00:00.123456Z M1 event="

ODD = '\\"a=b, \n\r\t\x00\x85\u2028\ud800\udc00nxuU0'
ANY_TEXT = st.text(st.characters(exclude_categories=())) | st.text(ODD)
KINDS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    str: ANY_TEXT,
}
TIMES = st.datetimes(timezones=st.just(UTC))

TEXTS = {
    "plain": ("M2", "M2"),
    "path": ("/tmp/x", "/tmp/x"),
    "unicode": ("größer—比", "größer—比"),
    "equals": ("a=b", "a=b"),
    "comma": ("a,b", "a,b"),
    "empty": ("", '""'),
    "space": ("a b", '"a b"'),
    "spaces_around": (" a ", '" a "'),
    "quote": ('say "x"', '"say \\"x\\""'),
    "backslash": ("a\\b", '"a\\\\b"'),
    "backslash_n": ("a\\nb", '"a\\\\nb"'),
    "newline": ("a\nb", '"a\\nb"'),
    "carriage_return": ("a\r\nb", '"a\\r\\nb"'),
    "tab": ("a\tb", '"a\\tb"'),
    "nul": ("a\x00b", '"a\\x00b"'),
    "escape": ("\x1b[31mred", '"\\x1b[31mred"'),
    "delete": ("\x7f", '"\\x7f"'),
    "next_line": ("a\x85b", '"a\\x85b"'),
    "vertical_tab": ("a\vb", '"a\\x0bb"'),
    "no_break_space": ("a\xa0b", '"a\\xa0b"'),
    "line_separator": ("a\u2028b", '"a\\u2028b"'),
    "surrogate": ("a\udcffb", '"a\\udcffb"'),
    "private_use": ("\U0010ffff", '"\\U0010ffff"'),
}


def entry(event: Event) -> Entry:
    return Entry(TIME, "M1", event)


def line(event: Event) -> str:
    return entry(event).line()


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Derive from a field's annotation what it may hold."""
    if kind in KINDS:
        return KINDS[kind]
    arguments = kind.__args__
    if kind.__class__ is type(int | None):
        return st.one_of([st.none() if each is type(None) else values_of(each) for each in arguments])
    assert kind.__origin__ is tuple
    assert arguments[1] is Ellipsis
    return st.lists(values_of(arguments[0]), max_size=5).map(tuple)


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    return st.builds(kind, **{field.name: values_of(field.type) for field in fields})


ANY_EVENT = st.one_of([events_of(kind) for _, kind in sorted(EVENTS.items())])


@pytest.mark.parametrize("name", sorted(EVENTS))
@given(data=st.data())
def test_every_event_comes_back(name: str, data: st.DataObject) -> None:
    written = Entry(data.draw(TIMES), data.draw(ANY_TEXT), data.draw(events_of(EVENTS[name])))
    text = written.line()
    assert text.isprintable()
    assert parse_line(text) == written
    assert f" event={name}" in text


@given(st.lists(st.builds(Entry, TIMES, ANY_TEXT, ANY_EVENT), max_size=5), st.text(max_size=20))
def test_a_file_of_events_comes_back(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry], torn: str
) -> None:
    """The line at the end is still being written."""
    path = tmp_path_factory.mktemp("dump") / "dump.txt"
    unfinished = torn.replace("\n", "")
    path.write_text("".join(f"{each.line()}\n" for each in entries) + unfinished, "utf-8")
    assert read_dump(path) == entries


@given(st.text() | st.text('MZ0123456789-:. event="\\,x'))
def test_any_text_is_a_line_or_refused(text: str) -> None:
    try:
        found = parse_line(text)
    except ValueError:
        return
    assert parse_line(found.line()) == found


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=TEXTS)
def test_a_text_in_a_line(text: str, expected: str) -> None:
    said = WorkerSaid(worker="M1", text=text)
    assert line(said) == f"{PREFIX}worker_said worker=M1 text={expected}"
    assert parse_line(line(said)).event == said


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), ""),
        (("",), '""'),
        (("", ""), '"",""'),
        (("x", "y"), "x,y"),
        (("x, y", "z"), '"x, y",z'),
        (("a,b",), '"a,b"'),
        (('"', "\n"), '"\\"","\\n"'),
    ],
)
def test_a_tuple_in_a_line(names: tuple[str, ...], expected: str) -> None:
    header = InputUnderstood(file="f", format="text", columns=names)
    assert line(header) == f"{PREFIX}input_understood file=f format=text columns={expected}"
    assert parse_line(line(header)).event == header


def test_numbers_in_a_line() -> None:
    event = Clusters(sizes=(7, -1), inertia=5e-324)
    assert line(event) == f"{PREFIX}clusters sizes=7,-1 inertia=5e-324"
    exact = Clusters(sizes=(2**53 + 1, -(2**53) - 1), inertia=0.0)
    assert parse_line(line(exact)).event == exact
    assert line(Clusters(sizes=(), inertia=2.0)) == f"{PREFIX}clusters sizes= inertia=2.0"
    assert line(Clusters(sizes=(7,), inertia=float("inf"))) == f"{PREFIX}clusters sizes=7 inertia=inf"


def test_fields_keep_their_order_and_lose_the_underscore() -> None:
    place = {"method": "Map", "stage": 3, "job": "lloyd", "iteration": 1, "task": 2, "attempt": 1}
    answer = RpcResponse(status="SUCCESS", duration_ms=1.5, **place, from_="M1")  # type: ignore[arg-type]
    told = "stage=3 job=lloyd iteration=1 task=2 attempt=1 from=M1 method=Map"
    assert line(answer) == f"{PREFIX}rpc_response {told} status=SUCCESS duration_ms=1.5"


def test_a_field_is_left_out_where_it_has_its_default() -> None:
    place = {"to": "M1", "method": "Map", "stage": 3, "job": "describe", "task": 2, "attempt": 2}
    told = f"{PREFIX}rpc_call stage=3 job=describe task=2 attempt=2 to=M1 method=Map"
    assert line(RpcCall(**place)) == told  # type: ignore[arg-type]
    assert line(RpcCall(**place, backup=True)) == f"{told} backup=True"  # type: ignore[arg-type]
    assert line(RunFinished()) == f"{PREFIX}run_finished"
    assert line(InternalError(error="x")) == f"{PREFIX}internal_error error=x"


@pytest.mark.parametrize(
    "text",
    [
        "event=page_opened",
        "event=page_opened by=me",
        "event=checkpoint file=x size=3",
        "event=checkpoint",
        "event=worker_lost worker=M1 reason=x returns=yes",
        "event=iteration_started iteration=one of=2",
    ],
)
def test_an_event_of_another_version_is_unknown(text: str) -> None:
    found = parse_line(f"2026-01-31T12:00:00.123456Z M1 {text}")
    assert found == entry(Unknown(text=text))
    assert parse_line(found.line()) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "event=checkpoint file=x",
        f"{PREFIX}",
        f"{PREFIX}checkpoint file=x ",
        f"{PREFIX}checkpoint  file=x",
        f'{PREFIX}checkpoint file="x',
        f'{PREFIX}checkpoint file="x\ny"',
        f"{PREFIX}checkpoint file=x\n",
        f"{PREFIX}checkpoint x",
        "2026-01-31T12:00:00Z M1 event=run_finished",
    ],
)
def test_what_is_no_line_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a line of dump\.txt: "):
        parse_line(text)


def test_a_time_that_never_was_is_refused() -> None:
    with pytest.raises(ValueError, match="day is out of range"):
        parse_line("2026-02-30T12:00:00.123456Z M1 event=run_finished")


@pytest.mark.parametrize(("text", "read"), [('"\\xzz"', "xzz"), ('"\\U00110000"', "U00110000")])
def test_escapes_that_nobody_writes(text: str, read: str) -> None:
    assert parse_line(f"{PREFIX}worker_said worker=M1 text={text}").event == WorkerSaid(
        worker="M1", text=read
    )


def test_torn_lines_are_left_out() -> None:
    whole = line(WorkerLost(worker="M1", reason="gone", returns=False))
    text = f"{whole}\n{whole[:20]}\nnot an event\n{whole}\n{whole}"
    assert [found.line() for found in parse_lines(text)] == [whole, whole]


def test_the_log_hands_over_events_with_process_and_time() -> None:
    entries: list[Entry] = []
    before = datetime.now(UTC)
    EventLog("R2", entries.append).event(Checkpoint(file="x"))
    (found,) = entries
    assert (found.process, found.event) == ("R2", Checkpoint(file="x"))
    assert before <= found.time <= datetime.now(UTC)


def test_names_are_those_of_the_classes() -> None:
    assert (RpcCall.name, WorkerLost.name, Unknown.name) == ("rpc_call", "worker_lost", "unknown")
    assert EVENTS["rpc_call"] is RpcCall


def test_an_algorithm_may_add_events_of_its_own(tmp_path: Path) -> None:
    class WordCounted(Event):
        """A word was counted."""

        word: str

    try:
        (tmp_path / "dump.txt").write_text(f"{line(WordCounted(word='a word'))}\n")
        assert read_dump(tmp_path / "dump.txt") == [entry(WordCounted(word="a word"))]
    finally:
        del EVENTS["word_counted"]
