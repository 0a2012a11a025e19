"""What people ask about a run is answered by the snapshot that the page draws."""

import json
from datetime import timedelta
from typing import Any

import pytest

from common.events.catalogue import kmeans, logistic, run, tasks, workers
from common.events.line import Entry, parse_line
from master.views.run_state.results import CentroidHistory
from master.views.run_state.state import RunState, column_names
from tests.master.views.logs import BEGINNING, Script, place, started, tasks_of, worker_of


@pytest.fixture
def script() -> Script:
    made = Script()
    made.begin()
    return made


def test_which_worker_is_slow(script: Script) -> None:
    for iteration in (1, 2):
        script.call("M1", at=iteration, task=1)
        script.call("M2", at=iteration, task=2)
        script.wait(10)
        script.answer("M1", at=iteration, task=1, ms=10)
        script.wait(90)
        script.answer("M2", at=iteration, task=2, ms=100)
    snapshot = script.snapshot()
    assert worker_of(snapshot, "M2")["mean_ms"] == 100
    assert worker_of(snapshot, "M2")["busy_share"] == 1
    assert worker_of(snapshot, "M1")["busy_share"] == 0.1
    slowest = snapshot["stages"][0]["Map"][1]
    assert slowest == {"worker": "M2", "task": 2, "ms": 100.0, "others_ms": 10.0}


def test_why_did_the_run_wait_before_its_first_task(script: Script) -> None:
    script.wait(2000)
    script.call("M1")
    assert script.snapshot()["waits"] == [[0.0, 2000.0, "the workers were starting"]]


def test_why_did_the_run_wait_later(script: Script) -> None:
    script.call("M1")
    script.answer("M1", reason="UNAVAILABLE")
    reason = "M1 (process 100) was ended by signal 9"
    script.say(workers.WorkerLost(worker="M1", pid=100, reason=reason, returns=True))
    script.wait(700)
    script.call("M1", attempt=2)
    assert script.snapshot()["waits"] == [[0.0, 700.0, f"{reason}; it is restarted"]]


def test_a_wait_that_goes_on_is_told(script: Script) -> None:
    script.say(workers.AwaitingWorkers(address="host:1", mappers=2, reducers=1))
    wait = script.state().snapshot(BEGINNING + timedelta(seconds=5))["waits"]
    assert wait == [[0.0, 5000.0, "waiting for workers: 2 mappers and 1 reducer"]]


def test_was_a_task_run_twice_and_why(script: Script) -> None:
    script.call("M1")
    script.wait(5)
    script.answer("M1", reason="no space left")
    script.call("M2", attempt=2)
    script.wait(5)
    script.answer("M2", attempt=2)
    snapshot = script.snapshot()
    first, second = tasks_of(snapshot)
    assert (first["status"], first["reason"], first["end"]) == ("failed", "no space left", 5)
    assert (second["status"], second["attempt"], second["start"]) == ("done", 2, 5)
    assert snapshot["totals"] == {"attempts": 2, "retries": 1, "backups": 0, "failed": 1, "lost": 0}
    assert snapshot["news"] == [
        [5.0, "failure", "M1: Map task 1 of lloyd, attempt 1 failed: no space left"],
    ]


def test_a_backup_is_no_retry(script: Script) -> None:
    script.call("M1")
    script.call("M2", attempt=9)  # more than 8 stand for backups in these scripts
    snapshot = script.snapshot()
    assert snapshot["totals"]["backups"] == 1
    assert snapshot["totals"]["retries"] == 0
    assert worker_of(snapshot, "M2")["backups"] == 1
    assert snapshot["news"][0][2] == "Map task 1 is slow: M2 begins attempt 9 as a backup"


def test_how_much_was_shuffled_and_by_whom(script: Script) -> None:
    script.say(
        tasks.MapFinished(**place(1, 1, 1), records=5, partition_records=(3, 2)),
        process="M1",
    )
    script.fetch("M1", 300)
    script.fetch("M2", 50)
    snapshot = script.snapshot()
    assert snapshot["shuffle"] == {"bytes": 350, "records": 5, "fetches": 2, "failed": 0}
    assert worker_of(snapshot, "R1")["fetched_bytes"] == 350
    assert worker_of(snapshot, "M1")["served_bytes"] == 300


def test_did_it_converge(script: Script) -> None:
    script.iterate(1, 20, ["0,0", "1,1"], 0.5)
    script.iterate(2, 20, ["0,0", "1,1"], 0.0)
    script.say(kmeans.Stopped(reason="converged: no centroid moved", iterations=2, inertia=1.25))
    script.say(kmeans.Clusters(sizes=(1, 2), inertia=1.25), run.RunFinished())
    snapshot = script.snapshot()
    assert [each["starts"][1]["shift"] for each in snapshot["iterations"]] == [0.5, 0.0]
    told = {"reason": "converged: no centroid moved", "iterations": 2, "inertia": 1.25, "sizes": (1, 2)}
    assert snapshot["result"] == told
    assert snapshot["state"] == "finished"


def test_of_several_starts_the_best_is_drawn(script: Script) -> None:
    for start, shift in ((1, 0.5), (2, 0.25)):
        script.iterate(0, 20, [f"{start},0", "1,1"][: 3 - start], 0, start=start)
        script.say(
            kmeans.IterationFinished(start=start, iteration=1, shift=shift),
            kmeans.Stopped(start=start, reason="converged", iterations=start, inertia=shift),
        )
    script.say(kmeans.BestStart(start=2, of=2, inertia=0.25))
    snapshot = script.snapshot()
    assert snapshot["best"] == 2
    assert snapshot["result"]["iterations"] == 2
    assert snapshot["centroids"]["history"] == [[0, [[2.0, 0.0]]]]
    assert snapshot["centroids"]["clusters"] == 1


def test_where_did_cluster_1_go(script: Script) -> None:
    script.iterate(0, 3, ["0,0", "9,9"], 0)
    script.iterate(1, 3, ["0,0", "7,8"], 2)
    script.iterate(2, 3, ["0,0", "6,7"], 1)
    history = script.snapshot()["centroids"]["history"]
    assert [(n, at[1]) for n, at in history] == [(0, [9, 9]), (1, [7, 8]), (2, [6, 7])]


def test_which_phase_takes_the_time(script: Script) -> None:
    for worker, method, ms in (("M1", "Map", 30), ("R1", "Reduce", 20), ("R1", "ReadReduceOutput", 5)):
        script.call(worker, method)
        script.wait(ms)
        script.answer(worker, method, ms=ms)
    (stage,) = script.snapshot()["stages"]
    assert (stage["iteration"], stage["Map"][0], stage["Reduce"][0]) == (1, 30, 20)
    assert stage["ReadReduceOutput"] == [5.0, None]


def test_which_worker_is_dead_and_what_was_lost_with_it(script: Script) -> None:
    script.call("M1")
    script.wait(5)
    script.answer("M1", reason="UNAVAILABLE")
    script.say(workers.WorkerLost(worker="M1", pid=100, reason="M1 was ended", returns=True))
    snapshot = script.snapshot()
    assert worker_of(snapshot, "M1")["state"] == "lost"
    assert tasks_of(snapshot)[0]["status"] == "lost"
    assert (snapshot["totals"]["failed"], snapshot["totals"]["lost"]) == (0, 1)
    script.say(workers.WorkerStarted(worker="M1", pid=200, incarnation=2))
    script.say(workers.WorkerJoined(worker="M1", address="unix:/tmp/a"))
    worker = worker_of(script.snapshot(), "M1")
    assert (worker["state"], worker["pid"], worker["incarnation"]) == ("up", 200, 2)


def test_what_had_no_answer_when_the_run_failed_is_lost(script: Script) -> None:
    script.call("M1")
    script.wait(10)
    script.say(run.RunFailed(reason="the disk is full"))
    snapshot = script.snapshot()
    assert (snapshot["state"], snapshot["reason"]) == ("failed", "the disk is full")
    assert (tasks_of(snapshot)[0]["status"], tasks_of(snapshot)[0]["end"]) == ("lost", 10)
    assert {worker["state"] for worker in snapshot["workers"]} == {"ended"}


def test_a_log_without_an_end_says_so(script: Script) -> None:
    script.call("M1")
    state = script.state()
    assert state.snapshot()["state"] == "running"
    assert tasks_of(state.snapshot())[0]["status"] == "running"
    state.cut_off()
    assert state.snapshot()["state"] == "cut off"
    assert "no end" in state.snapshot()["reason"]
    assert tasks_of(state.snapshot())[0]["status"] == "lost"
    (_, *news) = state.snapshot()["news"][-1]
    assert news == ["failure", state.snapshot()["reason"]]


def test_an_end_is_not_taken_for_a_cut(script: Script) -> None:
    script.say(run.RunFinished())
    state = script.state()
    state.cut_off()
    assert state.snapshot()["state"] == "finished"


def test_how_was_it_started(script: Script) -> None:
    settings = dict(script.snapshot()["settings"])
    assert [settings[name] for name in ("--k", "--tol", "--combine", "--engine")] == [
        "2",
        "0.0001",
        "no",
        "grpc",
    ]
    assert (settings["version of numpy"], settings["rows of the input"]) == ("2.4", "31")


def test_settings_are_what_people_can_type() -> None:
    script = Script()
    script.say(started(settings=("n_init=3", "spark.ui.port=1", "k")))
    names = [name for name, _ in script.snapshot()["settings"]]
    assert {"--n-init", "--conf spark.ui.port", "--k"} <= set(names)


def usage(worker: str, cpu_s: float, resident_bytes: int, many: int) -> workers.WorkerUsage:
    counters = {"read_bytes": many, "sent_bytes": 2 * many, "received_bytes": 3 * many}
    memory = {"resident_bytes": resident_bytes, "anonymous_bytes": resident_bytes // 2}
    return workers.WorkerUsage(worker=worker, cpu_s=cpu_s, **memory, **counters)


def test_what_did_a_worker_use_in_all_its_lives(script: Script) -> None:
    for cpu_s, resident_bytes, many in ((1, 80, 10), (2, 100, 15), (0.5, 60, 4)):
        script.wait(1000)
        script.say(usage("M1", cpu_s, resident_bytes, many))
    script.wait(1000)
    worker = worker_of(script.snapshot(), "M1")
    assert (worker["cpu_s"], worker["cpu_share"]) == (2.5, 0.8333)
    assert (worker["resident_bytes"], worker["anonymous_bytes"]) == (100, 50)
    assert (worker["read_bytes"], worker["sent_bytes"], worker["received_bytes"]) == (19, 38, 57)
    assert worker_of(script.snapshot(), "M2")["cpu_s"] is None


def test_which_rows_are_shown(script: Script) -> None:
    for row in range(1, 502):
        script.say(run.SampledRow(row=row, value=",".join([str(row)] * 20 + ["9"])))
    script.say(run.SampledRow(row=1, value="1"))
    rows = script.snapshot()["rows"]
    assert rows == [[row] * 20 for row in range(1, 501)]


def test_the_log_is_in_the_order_of_time(script: Script) -> None:
    late = script.now + timedelta(seconds=1)
    script.wait(2000)
    script.say(run.RunFinished())
    script.entries.append(Entry(late, "M1", tasks.MapStarted(**place(1, 1, 1), rows="1..2")))
    assert "map_started" in script.snapshot()["log"][-2]
    assert "run_finished" in script.snapshot()["log"][-1]


def test_a_resumed_run_keeps_its_iterations_and_begins_its_tasks_anew(script: Script) -> None:
    script.iterate(1, 3, ["0,0", "1,1"], 0.5)
    script.say(run.IterationStarted(iteration=2, of=3))
    script.call("M1")
    script.wait(60_000)
    script.begin()
    script.say(run.Resumed(iteration=1, of=3))
    script.iterate(2, 3, ["0,0", "1,1"], 0.25)
    snapshot = script.snapshot()
    assert [(each["start"], each["end"]) for each in snapshot["iterations"]] == [(-60_010, -60_000), (0, 10)]
    assert snapshot["tasks"] == []
    assert snapshot["news"][-1][2] == "the run continues after iteration 1"
    assert snapshot["elapsed_ms"] == 10


def test_classification(script: Script) -> None:
    table: dict[str, Any] = {
        "numbers": ("age",),
        "categories": ("<b>",),
        "classes": ("no", "yes"),
        "class_rows": (3, 4),
    }
    script.say(logistic.TableLearned(**table, parameters=5))
    script.say(logistic.StepFinished(iteration=0, loss=0.7, gradient=0.5, halvings=0))
    script.say(logistic.StepFinished(iteration=1, loss=0.1, gradient=1e-9, halvings=2))
    script.say(logistic.FitFinished(reason="converged", iterations=1, loss=0.1, gradient=1e-9))
    scores: dict[str, Any] = {
        "rows": 7,
        "accuracy": 0.9,
        "weighted_f1": 0.9,
        "macro_f1": 0.8,
        "log_loss": float("inf"),
    }
    script.say(logistic.ModelScored(model="global", sample="test", **scores))
    script.say(logistic.ModelScored(model="2", sample="test", **scores))
    confusion: dict[str, Any] = {"taken_for": (3, 0), "precision": 1.0, "recall": 1.0, "f1": 1.0}
    script.say(logistic.ClassConfusion(model="global", class_="no", **confusion))
    snapshot = script.snapshot()
    assert [each["starts"][1]["loss"] for each in snapshot["iterations"]] == [0.7, 0.1]
    assert snapshot["result"]["reason"] == "converged"
    assert snapshot["scores"]["models"][0]["log_loss"] is None
    assert snapshot["scores"]["confusion"][0]["taken_for"] == (3, 0)
    assert [each["model"] for each in snapshot["scores"]["models"]] == ["all rows", "part 2"]
    json.dumps(snapshot, allow_nan=False)


def test_which_number_of_clusters_is_preferred(script: Script) -> None:
    assert script.snapshot()["choice"] is None
    script.say(kmeans.ClustersMeasured(start=1, k=1, iterations=1, inertia=9.0))
    measures: dict[str, Any] = {"davies_bouldin": float("inf"), "silhouette": 0.5}
    script.say(kmeans.ClustersMeasured(start=2, k=2, iterations=4, inertia=4.5, **measures))
    script.say(kmeans.ClustersChosen(start=2, k=2, of=2, by_silhouette=2))
    snapshot = script.snapshot()
    assert snapshot["best"] == 2
    assert [each["silhouette"] for each in snapshot["choice"]["rows"]] == [None, 0.5]
    assert snapshot["choice"]["rows"][1]["davies_bouldin"] is None
    assert (snapshot["choice"]["chosen"], snapshot["choice"]["preferred"]) == (2, {"silhouette": 2})
    json.dumps(snapshot, allow_nan=False)


def test_tasks_of_spark_and_dask_are_placed_within_their_stage(script: Script) -> None:
    stage: dict[str, Any] = {"stage": 1, "job": "lloyd", "iteration": 1}
    script.say(tasks.StageStarted(**stage))
    script.wait(100)
    for method, ms in (("Map", 30.0), ("Reduce", 20.0)):
        known: dict[str, Any] = {
            "from_": "host:1",
            "method": method,
            "task": 1,
            "status": "SUCCESS",
            "duration_ms": ms,
            "cpu_ms": ms / 2,
            "peak_bytes": 1000,
        }
        script.say(tasks.TaskFinished(**stage, **known))
    spans = [(task["method"], task["start"], task["end"]) for task in tasks_of(script.snapshot())]
    assert spans == [("Map", 0, 30), ("Reduce", 80, 100)]
    worker = worker_of(script.snapshot(), "host:1")
    assert (worker["done"], worker["cpu_s"], worker["resident_bytes"]) == (2, 0.025, 1000)


def test_the_last_tasks_and_the_last_lines_are_kept(script: Script) -> None:
    for number in range(5001):
        script.call("M1", task=number)
        script.answer("M1", task=number)
    snapshot = script.snapshot()
    assert len(snapshot["tasks"]) == 5000
    assert snapshot["tasks_left_out"] == 1
    assert len(snapshot["log"]) == 1000
    assert snapshot["log_lines"] == len(script.entries)


def test_of_many_centroids_some_iterations_are_kept_and_the_newest_always() -> None:
    history = CentroidHistory()
    value = ",".join(["1.5"] * 20)
    for iteration in range(1001):
        for key in range(100):
            history.take(kmeans.Centroid(iteration=iteration, key=key, value=value))
    kept = [n for n, _ in history.snapshot(1)["history"]]
    assert kept == [*range(0, 1000, 64), 1000]
    assert all(len(at) == 100 for _, at in history.snapshot(1)["history"])


def test_numbers_that_json_cannot_hold_are_left_out(script: Script) -> None:
    script.iterate(1, 3, ["inf,nan"], float("inf"))
    snapshot = script.snapshot()
    assert snapshot["centroids"]["history"] == [[1, [[None, None]]]]
    json.dumps(snapshot, allow_nan=False)


def test_lines_of_another_version_are_only_in_the_log_tail() -> None:
    state = RunState()
    state.take(parse_line("2026-01-31T12:00:00.123456Z master event=run_begun of=7"))
    assert state.snapshot()["state"] == "waiting"
    assert state.snapshot()["log"] == ["2026-01-31T12:00:00.123456Z master event=run_begun of=7"]


@pytest.mark.parametrize(
    ("header", "columns", "names"),
    [
        (True, ("x", "2-3"), ["x", "2-3"]),
        (False, ("1", "3-5"), ["column 1", "column 3", "column 4", "column 5"]),
        (False, ("age", "a-b"), ["age", "a-b"]),
        (False, ("²", "1-²"), ["²", "1-²"]),
        (False, ("9" * 5000,), ["9" * 5000]),
        (False, ("1-999999999999", "2"), [f"column {number}" for number in range(1, 10_001)]),
    ],
)
def test_columns_have_names(header: bool, columns: tuple[str, ...], names: list[str]) -> None:
    event = run.InputUnderstood(file="in", format="text", header=header, columns=columns)
    assert column_names(event) == names


def test_an_unknown_engine_is_shown_as_it_is() -> None:
    script = Script()
    script.say(started(engine="<b>"))
    assert dict(script.snapshot()["settings"])["--engine"] == "<b>"


def test_of_the_run_the_master_alone_tells(script: Script) -> None:
    """A worker's log may hold any line."""
    script.call("M1")
    before = script.snapshot()
    for lie in (
        run.RunFinished(),
        run.RunFailed(reason="no"),
        started(engine="other"),
        run.InputUnderstood(file="in", format="text", columns=("1-999999999999",)),
        workers.WorkerLeft(worker="M2", status="lost"),
        workers.WorkerStarted(worker="M99", pid=1, incarnation=1),
        run.IterationStarted(iteration=9, of=9),
    ):
        script.say(lie, process="M1")
    script.fetch("M98", 7)
    script.entries[-1] = script.entries[-1]._replace(time=BEGINNING + timedelta(days=9))
    after = script.snapshot()
    assert after["log_lines"] > before["log_lines"]
    ignored = ("log", "log_lines", "shuffle")
    assert {k: v for k, v in after.items() if k not in ignored} == {
        k: v for k, v in before.items() if k not in ignored
    }


def test_sizes_are_weights_if_rows_have_some() -> None:
    for settings, weighted in ((("k=2",), False), (("k=2", "weights=w"), True)):
        script = Script()
        script.say(started(settings=settings))
        assert script.snapshot()["weighted"] is weighted
