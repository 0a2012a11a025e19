"""What a person sees of the events."""

import dataclasses
import re
import string
from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
import rich

from common.events.catalogue.base import EVENTS, Event
from common.events.catalogue.kmeans import (
    BestStart,
    Centroid,
    Clusters,
    EmptyCluster,
    InitialCentroids,
    IterationFinished,
    ResultInDoubt,
    Stopped,
)
from common.events.catalogue.logistic import TableLearned
from common.events.catalogue.run import (
    Checkpoint,
    CheckpointFailed,
    InputUnderstood,
    IterationStarted,
    Result,
    Resumed,
    RunFailed,
    RunFinished,
    RunStarted,
    Unknown,
)
from common.events.catalogue.tasks import RpcCall, RpcResponse, StageStarted, TaskFinished
from common.events.catalogue.workers import (
    AwaitingWorkers,
    StartingWorkers,
    WorkerJoined,
    WorkerLost,
    WorkerSaid,
    WorkerSilent,
)
from common.events.line import Entry
from master.views.terminal import LiveScreen, PlainScreen, TaskCount, tasks_of_stage
from master.views.words import HIDDEN, SPOKEN, TEMPLATES, in_words

MAP: dict[str, Any] = {"method": "Map", "stage": 4, "job": "lloyd", "iteration": 2, "task": 1, "attempt": 3}
SCORE: dict[str, Any] = {"method": "Map", "stage": 9, "job": "score", "task": 2}

WORDS: list[tuple[Event, str | None]] = [
    (
        InputUnderstood(file="f", format="parquet", columns=tuple(f"v[{i}]" for i in range(700))),
        "input: parquet; columns " + "".join(f"v[{i}], " for i in range(11)) + "..., v[699]",
    ),
    (InputUnderstood(file="f", format="npy", columns=("1-3",)), "input: npy; columns 1-3"),
    (
        InputUnderstood(file="f", format="text", delimiter="tab", header=True, columns=("x", "y z")),
        "input: text, tab between fields; the first row is a header; columns x, y z",
    ),
    (Resumed(iteration=3, of=9), "\nresumed after iteration 3"),
    (RunFailed(reason="why", checkpoint="c"), "\nto continue from c, repeat the command with --resume"),
    (RunFailed(reason="why"), None),
    (Checkpoint(file="c"), None),
    (Result(file="c"), None),
    (Clusters(sizes=(2, 1), inertia=0.5), None),
    (RunFinished(), None),
    (WorkerSaid(worker="M1", text="x"), None),
    (WorkerJoined(worker="M1", address="a:1"), "M1 joined at a:1"),
    (WorkerSilent(worker="M1"), "  no heartbeat from M1; it gets no new tasks"),
    (WorkerLost(worker="M1", reason="M1 ended", returns=True), "  LOST M1 ended; it is restarted"),
    (WorkerLost(worker="M1", reason="M1 ended", returns=False), "  LOST M1 ended; it is not restarted"),
    (
        AwaitingWorkers(address="a:1", mappers=2, reducers=1),
        "waiting for mappers: 2, reducers: 1; start each by: "
        "python -m mapper (or reducer) --join a:1 --certs FOLDER",
    ),
    (StartingWorkers(mappers=2, reducers=1), "starting 2 mappers and 1 reducer …"),
    (
        CheckpointFailed(file="c", reason="no space"),
        "  warning: c cannot be written (no space); the run goes on without it",
    ),
    (StageStarted(stage=1, job="lloyd"), None),
    (Unknown(text="event=tomorrow x=1"), None),
    (RpcCall(to="M1", **MAP), "  -> M1 Map task 1 attempt 3"),
    (
        RpcResponse(from_="M1", **MAP, status="FAILURE", duration_ms=1.5, reason="why"),
        "  <- M1 Map task 1 attempt 3 FAILURE (why) 1.5 ms",
    ),
    (
        TaskFinished(from_="w", **SCORE, status="SUCCESS", duration_ms=2.0),
        "  <- w Map score task 2 SUCCESS 2.0 ms",
    ),
    (InitialCentroids(iteration=0, k=2), "\ninitial centroids"),
    (InitialCentroids(start=2, iteration=0, k=2), "\nstart 2, initial centroids"),
    (Centroid(iteration=1, key=7, value="1,2"), "  centroid 7: 1,2"),
    (
        Centroid(start=1, iteration=1, key=0, value="1,2,3,4,5,6,7,8,9"),
        "  start 1, centroid 0: 1,2,3,4,5,6,7,8,...",
    ),
    (Centroid(iteration=1, key=8, value="1,2"), "  ... the others are in dump.txt"),
    (Centroid(iteration=1, key=9, value="1,2"), None),
    (EmptyCluster(iteration=1, key=2, action="keep"), "  cluster 2 is empty; its centroid stays"),
    (
        EmptyCluster(iteration=1, key=2, action="move", row=5, distance=1.0),
        "  cluster 2 is empty; it takes row 5, the farthest from its centroid",
    ),
    (IterationFinished(iteration=1, shift=0.25, sizes=(1, 2)), "  largest shift 0.25"),
    (Stopped(reason="done", iterations=2, inertia=1.5), "\ndone; 2 iterations, inertia 1.5"),
    (ResultInDoubt(reason="it moved"), "warning: it moved"),
    (
        TableLearned(
            numbers=('5" disk', "x"),
            categories=(),
            classes=("a, b", 'say "no"', "c"),
            class_rows=(1, 2, 3),
            parameters=3,
        ),
        'numbers: "5"" disk", x; classes, with their training rows: "a, b" (1), "say ""no""" (2), c (3)',
    ),
    (ResultInDoubt(start=2, reason="it moved"), "warning: it moved"),
    (BestStart(start=1, of=3, inertia=2.5), "\nbest: start 1, of 3 starts; inertia 2.5"),
]


@pytest.mark.parametrize(("event", "words"), WORDS, ids=lambda value: getattr(value, "name", ""))
def test_events_in_words(event: Event, words: str | None) -> None:
    assert in_words(event) == words


def entries(*events: Event) -> list[Entry]:
    return [Entry(datetime.now(UTC), "master", event) for event in events]


def test_a_plain_screen_prints_what_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    PlainScreen().show(entries(IterationStarted(iteration=1, of=9), Checkpoint(file="c")))
    assert capsys.readouterr().out == "\niteration 1 of 9\n"


def test_a_live_screen_has_its_bar_from_the_first_iteration_to_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = LiveScreen()
    screen.show(
        entries(InputUnderstood(file="f", format="npy", columns=("x",)), IterationStarted(iteration=1, of=9))
    )
    screen.show(entries(RpcResponse(from_="M1", **MAP, status="SUCCESS", duration_ms=1.5)))
    screen.show(entries(IterationFinished(iteration=1, shift=0.25, sizes=(1, 2))))
    screen.show(entries(Stopped(reason="done", iterations=1, inertia=1.5)))
    screen.close()
    lines = capsys.readouterr().out.splitlines()
    assert "input: npy; columns x" in lines
    assert "  <- M1 Map task 1 attempt 3 SUCCESS 1.5 ms" in lines
    assert "done; 1 iteration, inertia 1.5" in lines


SETTINGS = ("k=3", "tol=0.0001", "init=random", "n_init=1", "splits=0")
HINT = "another start may end lower: try --init k-means++ or --n-init 10"


def started(*settings: str, mappers: int = 3, reducers: int = 2) -> RunStarted:
    numbers: dict[str, Any] = {"format": 3, "rows": 9, "columns": 2, "threads": 1, "cores": 2}
    return RunStarted(
        input="f",
        engine="grpc",
        mappers=mappers,
        reducers=reducers,
        combine=False,
        versions=(),
        settings=settings,
        **numbers,
    )


def said(capsys: pytest.CaptureFixture[str], *events: Event) -> list[str]:
    PlainScreen().show(entries(*events))
    return capsys.readouterr().out.splitlines()


def test_a_start_that_did_not_converge_says_what_helps(capsys: pytest.CaptureFixture[str]) -> None:
    last = IterationFinished(iteration=30, shift=0.043671, sizes=(1, 2))
    stopped = Stopped(reason="not converged", iterations=30, inertia=1.5)
    assert said(capsys, started(*SETTINGS), last, stopped)[-2:] == [
        "stopped after 30 iterations, not converged (shift 0.0437 > tol 0.0001): raise --iters; inertia 1.5",
        HINT,
    ]


def test_each_of_several_starts_is_judged_by_its_own_shift(capsys: pytest.CaptureFixture[str]) -> None:
    ends = [IterationFinished(start=i, iteration=1, shift=2.0 * (i - 1)) for i in (1, 2)]
    stops = [Stopped(start=i, reason="done", iterations=1, inertia=1.5) for i in (1, 2)]
    lines = said(capsys, started("tol=1.0", "init=random", "n_init=2", "k=3"), *ends, *stops)
    assert [line for line in lines if "start" in line][-2:] == [
        "start 1, done; 1 iteration, inertia 1.5",
        "start 2, stopped after 1 iteration, not converged (shift 2 > tol 1): raise --iters; inertia 1.5",
    ]
    assert HINT not in lines


@pytest.mark.parametrize(
    "setting", ["k=1", "init=k-means++", "n_init=2", "init_centroids=of SHA-256 12..."], ids=str
)
def test_a_hint_is_given_only_after_one_random_start(
    capsys: pytest.CaptureFixture[str], setting: str
) -> None:
    stopped = Stopped(reason="done", iterations=2, inertia=1.5)
    assert HINT in said(capsys, started(*SETTINGS), stopped)
    assert HINT not in said(capsys, started(*SETTINGS, setting), stopped)


def test_tasks_of_the_newest_stage_are_counted_once() -> None:
    count = TaskCount(tasks_of_stage(started(*SETTINGS)))
    assert count.text == "0 of 5 tasks"
    for status in ("FAILURE", "SUCCESS", "SUCCESS"):
        count.add(RpcResponse(from_="M1", **MAP, status=status, duration_ms=1.5))
    assert count.text == "1 of 5 tasks"
    count.add(RpcResponse(from_="R1", **MAP | {"method": "Reduce"}, status="SUCCESS", duration_ms=1.5))
    count.add(RpcResponse(from_="R1", **MAP | {"method": "FetchPartition"}, status="SUCCESS", duration_ms=1))
    assert count.text == "2 of 5 tasks"
    count.add(RpcResponse(from_="M1", **MAP | {"stage": 5}, status="SUCCESS", duration_ms=1.5))
    assert count.text == "1 of 5 tasks"
    assert tasks_of_stage(started("splits=7")) == 9


def test_the_bar_tells_the_iteration_in_progress() -> None:
    shown, screen = StringIO(), LiveScreen()
    rich.reconfigure(file=shown, force_terminal=True, width=120)
    screen.show(entries(started(*SETTINGS), IterationStarted(iteration=1, of=20)))
    screen.show(entries(RpcResponse(from_="M1", **MAP, status="SUCCESS", duration_ms=1.5)))
    screen.show(entries(IterationFinished(iteration=1, shift=0.25)))
    screen.show(entries(IterationStarted(iteration=2, of=20), RpcCall(to="M1", **MAP | {"stage": 5})))
    screen.show(entries(RpcResponse(from_="M1", **MAP | {"stage": 5}, status="SUCCESS", duration_ms=1.5)))
    screen.close()  # the bar is drawn a last time
    rich.reconfigure()
    bar = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()).split("\r")[-2]
    assert bar.startswith("iteration 2 of 20 ")
    assert "1 of 5 tasks, shift 0.25 " in bar


def test_the_bar_tells_what_is_done_before_the_first_iteration() -> None:
    shown, screen = StringIO(), LiveScreen()
    rich.reconfigure(file=shown, force_terminal=True, width=120)
    screen.begin(f"reading {HOSTILE}[red]")
    screen.show(entries(started(*SETTINGS), RpcCall(to="M1", **SCORE | {"stage": 1}, attempt=1)))
    screen.close()
    rich.reconfigure()
    bar = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()).split("\r")[-2]
    assert bar.startswith("reading the input ")
    assert "0 of 5 tasks" in bar
    assert f"reading {ESCAPED}[red] " in shown.getvalue()


def test_one_of_a_kind_is_no_plural() -> None:
    one = started(mappers=1, reducers=1)
    text = in_words(dataclasses.replace(one, rows=1, columns=1)) or ""
    assert text.endswith(": 1 row, 1 column; engine grpc, 1 mapper, 1 reducer")


def test_every_event_is_shown_in_words_or_hidden_by_choice() -> None:
    ours = {kind for kind in EVENTS.values() if kind.__module__.startswith("common.events.catalogue.")}
    assert ours == set(TEMPLATES) | set(SPOKEN) | set(HIDDEN)
    assert not set(HIDDEN) & (set(TEMPLATES) | set(SPOKEN))


HOSTILE = "a\x1b[2J\x9b1m\x07\r\n\u202eb"
ESCAPED = r"a\x1b[2J\x9b1m\x07\r\n\u202eb"


@pytest.mark.parametrize("screen", [PlainScreen, LiveScreen])
def test_nothing_that_controls_a_terminal_is_shown(
    capsys: pytest.CaptureFixture[str], screen: Callable[[], PlainScreen]
) -> None:
    shown = screen()
    shown.show(
        entries(
            InputUnderstood(file="f", format="npy", columns=(HOSTILE,)), IterationStarted(iteration=1, of=9)
        )
    )
    shown.show(entries(RpcResponse(from_=HOSTILE, **MAP, status="FAILURE", duration_ms=1, reason=HOSTILE)))
    shown.close()
    shown.say([f"\n{HOSTILE}"])
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert f"input: npy; columns {ESCAPED}" in lines
    assert f"  <- {ESCAPED} Map task 1 attempt 3 FAILURE ({ESCAPED}) 1 ms" in lines
    assert lines[-1] == ESCAPED


def test_every_template_has_fields_of_its_event() -> None:
    extra = {"start", "join"}
    for kind, template in TEMPLATES.items():
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name}
        names = {name.removeprefix("counted_") for name in names}
        assert names <= {field.name for field in dataclasses.fields(kind)} | extra, kind.name  # type: ignore[arg-type]
