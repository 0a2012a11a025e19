"""The page of real runs: as a report, live, and under attack."""

import http.client
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from common.events.catalogue.kmeans import IterationFinished
from common.events.catalogue.run import SampledRow
from common.events.catalogue.workers import WorkerJoined
from tests.browser import Browser, needs_browser
from tests.programs import (
    PATIENCE_S,
    ROOT,
    BackgroundRun,
    command,
    environment,
    options,
    run_here,
    run_master,
    wait_until,
)
from tests.story import story_of

BLOBS = ROOT / "data" / "input" / "blobs.csv"
LONG = [*options(m=3, k=5, n=400, input_path=BLOBS), "--tol", "0", "--task-delay", "0.2"]
HOSTILE = "<img src=x onerror=alert(1)>"
SCRIPT_END = "</script><script>alert(2)</script>"


def snapshot_in(report: Path) -> dict[str, Any]:
    (found,) = re.findall(r'<script id="snapshot" type="application/json">(.*?)</script>', report.read_text())
    snapshot: dict[str, Any] = json.loads(found)
    return snapshot


def kill(run: BackgroundRun, name: str) -> None:
    """Kill a worker after some iterations, and wait until it is back."""
    before = run.wait_for(IterationFinished, iteration=3)
    run.worker(name).kill()
    run.wait_for(WorkerJoined, after=before, worker=name)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run in which a worker was killed."""
    folder = tmp_path_factory.mktemp("killed")
    views = ("--report", "run.html", "--trace", "run.json")
    short = [*options(m=3, k=5, n=12, input_path=BLOBS), "--tol", "0", "--task-delay", "0.1"]
    with BackgroundRun(folder, *short, *views) as run:
        kill(run, "M2")
        assert run.end() == (0, "")
    return folder


def test_the_report_of_a_run_with_a_killed_worker(killed: Path) -> None:
    snapshot = snapshot_in(killed / "run.html")
    worker = next(each for each in snapshot["workers"] if each["worker"] == "M2")
    assert (snapshot["state"], worker["incarnation"]) == ("finished", 2)
    assert any("M2" in text and "SIGKILL" in text for _, _, text in snapshot["news"])
    assert [each["iteration"] for each in snapshot["iterations"]] == list(range(1, 13))
    assert len(snapshot["centroids"]["history"]) == 13
    assert snapshot["columns"] == ["x1", "x2"]
    for each in snapshot["workers"]:
        assert each["cpu_s"] > 0
        assert each["resident_bytes"] > each["anonymous_bytes"] > 1e6
        assert each["received_bytes"] >= each["fetched_bytes"]
        assert each["read_bytes"] > 0 < each["sent_bytes"]
    assert snapshot["shuffle"]["bytes"] > 0


def test_rows_are_shown_and_change_nothing(tmp_path: Path) -> None:
    found = []
    for more in (["--report", "run.html"], ["--sample", "7"], []):
        done = run_here(tmp_path, *options(k=5, input_path=BLOBS), "--engine", "inline", "--quiet", *more)
        assert (done.returncode, done.stderr) == (0, "")
        found.append(
            (len(story_of(tmp_path).of(SampledRow)), (tmp_path / "data" / "centroids.txt").read_bytes())
        )
    assert [rows for rows, _ in found] == [500, 7, 0]
    assert len({centroids for _, centroids in found}) == 1
    table = BLOBS.read_text().splitlines()[1::10]
    assert snapshot_in(tmp_path / "run.html")["rows"] == [[*map(float, row.split(","))] for row in table]


def test_the_trace_has_each_attempt(killed: Path) -> None:
    events = json.loads((killed / "run.json").read_text())["traceEvents"]
    spans = [each for each in events if each["ph"] == "X" and each["cat"] in ("Map", "Reduce")]
    assert len(spans) == snapshot_in(killed / "run.html")["totals"]["attempts"]
    assert all(each["dur"] >= 0 for each in spans)
    assert {each["args"]["name"] for each in events if each["name"] == "thread_name"} == {
        *("iterations", "M1", "M2", "M3", "R1", "R2")
    }


def test_the_command_writes_the_same_report(killed: Path, tmp_path: Path) -> None:
    done = run_here(tmp_path, "report", "--dump", killed / "dump.txt", "--output", "again.html")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "again.html").read_bytes() == (killed / "run.html").read_bytes()


def test_a_report_asks_nothing_of_a_network(killed: Path) -> None:
    text = (killed / "run.html").read_text()
    assert re.findall(r"""(?:src|href)=["']?(?!#)[^"'>\s]+""", text) == []
    assert "default-src 'none'" in text
    assert "innerHTML" not in text


def test_a_failed_run_leaves_its_report(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *LONG, "--report", "run.html") as run:
        run.wait_for(IterationFinished, iteration=2)
        run.process.terminate()
        code, said = run.end()
    assert code == 143
    snapshot = snapshot_in(tmp_path / "run.html")
    assert snapshot["state"] == "failed"
    assert snapshot["reason"] in said


def test_a_refused_run_leaves_no_report(tmp_path: Path) -> None:
    assert run_master(tmp_path, *options(), "--quiet").returncode == 0
    done = run_here(tmp_path, *options(k=99), "--quiet", "--report", "run.html")
    assert done.returncode == 2
    assert not (tmp_path / "run.html").exists()


def test_a_killed_master_leaves_a_log_that_says_so(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *LONG) as run:
        run.wait_for(IterationFinished, iteration=3)
        going_on = run_here(tmp_path, "report", "--output", "going.html")
        assert going_on.returncode == 0
        assert snapshot_in(tmp_path / "going.html")["state"] == "running"
        too_early = run_here(tmp_path, "verify")
        assert too_early.returncode == 2
        assert too_early.stderr == "Error: the run in dump.txt is still going on; wait until it has ended\n"
        run.process.kill()
        run.process.wait()
        assert run_here(tmp_path, "report", "--output", "run.html").returncode == 0
    snapshot = snapshot_in(tmp_path / "run.html")
    assert snapshot["state"] == "cut off"
    assert "no end" in snapshot["reason"]
    status = snapshot["task_fields"].index("status")
    assert "running" not in [task[status] for task in snapshot["tasks"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["report", "--output", "a.html"], "--dump dump.txt: there is no such file"),
        (["report", "--output", "other.txt"], "--dump dump.txt: there is no such file"),
        (["report", "--dump", ".", "--output", "a.html"], "--dump .: not a file"),
        (["report", "--dump", "other.txt", "--output", "a.html"], "other.txt: no line says how a run began"),
        (["report", "--dump", "other.txt", "--output", "other.txt"], "would overwrite the log file"),
        (["report", "--dump", "other.txt", "--output", "r.html", "--trace", "./r.html"], "are the same file"),
        (["report"], "--output"),
        (["report", "--output", "no/run.html"], "--output no/run.html: there is no folder no"),
        (["ui", "--dump", "none.txt"], "--dump none.txt: there is no such file"),
        ([*options(), "--report", "dump.txt"], "--report dump.txt would overwrite what --dump writes"),
        ([*options(), "--trace", "no/run.json"], "--trace no/run.json: there is no folder no"),
        ([*options(), "--ui", "--dump", "/dev/null"], "--ui needs the log file"),
        ([*options(), "--report", "a.html", "--dump", "/dev/null"], "--report needs the log file"),
        ([*options(), "--scale", "--sample", "5"], "--sample shows rows as they are in the input; with"),
        ([*options(), "--sample", "501"], "--sample is 501, but must be 500 or less"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "other.txt").write_text("hello\n")
    done = run_here(tmp_path, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve the page of the log in a folder; yield its address."""
    process = subprocess.Popen(
        command("ui"),
        cwd=folder,
        env=environment() | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield re.findall(r"http\S+", process.stdout.readline())[0]
        assert psutil.Process(process.pid).memory_info().rss < 150e6
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) == 0
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def ask(address: str, path: str | None = None, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
    connection.request(method, parts.path if path is None else path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.headers


def test_only_who_knows_the_address_is_answered(killed: Path) -> None:
    with serving(killed) as address:
        status, body, headers = ask(address)
        assert status == 200
        assert b"MapReduce run" in body
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        port = urlsplit(address).port
        for host in (
            "evil.example",
            f"evil.example:{port}",
            f"127.0.0.1.evil.example:{port}",
            "127.0.0.1:1",
            "",
        ):
            assert ask(address, Host=host)[:2] == (421, b"")
        assert ask(address, Host=f"localhost:{port}")[0] == 200
        for path in ("/", "/events", "/x/", "/x/events", "//", "/%00/", address):
            assert ask(address, path)[:2] == (404, b"")
        for rest in ("other", "../", "events/", "page.js"):
            assert ask(address, urlsplit(address).path + rest)[0] == 404
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "HEAD"):
            assert ask(address, method=method)[:2] == (501, b"")


def test_the_stream_has_the_snapshot_of_the_report(killed: Path) -> None:
    with serving(killed) as address:
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
        connection.request("GET", parts.path + "events")
        line = connection.getresponse().readline()
        connection.close()
    snapshot = json.loads(line.removeprefix(b"data: "))
    assert snapshot == snapshot_in(killed / "run.html")


def test_the_page_ends_with_its_run(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *options(), "--ui", "--task-delay", "0.1") as run:
        assert run.process.stderr is not None
        address = re.findall(r"http\S+", run.process.stderr.readline())[0]
        parts = urlsplit(address)
        connection = http.client.HTTPConnection(parts.netloc, timeout=PATIENCE_S)
        connection.request("GET", parts.path + "events")
        lines = connection.getresponse().read().decode().split("\n\n")
        assert run.end() == (0, "")
    assert [line for line in lines if line][-1].startswith("event: over")
    pictures = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert pictures[-1]["state"] == "finished"
    with pytest.raises(OSError):  # noqa: PT011
        ask(address)


@needs_browser
def test_the_page_lives_with_its_run(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *LONG, "--ui") as run, Browser(tmp_path / "profile") as browser:
        assert run.process.stderr is not None
        browser.open(re.findall(r"http\S+", run.process.stderr.readline())[0])
        browser.wait("document.querySelector('#state').textContent === 'running'")
        browser.wait("document.querySelectorAll('#workers tbody tr').length === 5")
        browser.wait("document.querySelector('#scatter circle') !== null")
        kill(run, "M2")
        browser.wait("document.querySelector('#news').textContent.includes('SIGKILL')")
        browser.wait("document.querySelector('#timeline .lost, #timeline .failed') !== null")
        run.process.terminate()
        browser.wait("document.querySelector('#state').textContent === 'failed'")
        browser.wait("document.querySelector('#reason').textContent.includes('master report')")
        assert browser.said == []


@needs_browser
def test_a_report_is_used_by_keyboard(killed: Path, tmp_path: Path) -> None:
    with Browser(tmp_path / "profile", 320) as browser:
        browser.open((killed / "run.html").as_uri())
        browser.wait("document.querySelector('#timeline .Map') !== null")
        assert browser.value("document.documentElement.scrollWidth") <= 320
        browser.value("document.querySelector('#timeline').focus()")
        browser.press("ArrowRight")
        for _ in ("M3", "M2"):  # whichever mapper was called first
            browser.press("ArrowUp")
        assert browser.text("#task").startswith("M1: Map")
        browser.press("ArrowDown")
        assert browser.text("#task").startswith("M2: Map")
        before = browser.value("document.querySelectorAll('#timeline text').length")
        browser.press("+")
        assert before
        assert browser.text("#at").startswith("after iteration 12")
        assert browser.text("#h-clusters .of-k") == "of K = 5"
        assert browser.value("document.querySelectorAll('#scatter .row').length") == 5
        assert browser.text("#sampled").startswith("Small dots: 500 of the input's 5,000 rows, each in")
        browser.value("document.querySelector('#iteration').focus()")
        browser.press("Home")
        browser.value("document.querySelector('#iteration').value = 0")
        browser.value("document.querySelector('#iteration').dispatchEvent(new Event('input'))")
        assert browser.text("#at") == "at the start"
        browser.value("document.querySelector('#play').click()")
        browser.wait("document.querySelector('#at').textContent === 'after iteration 2'")
        browser.value("document.querySelector('#filter').value = 'SIGKILL'")
        browser.value("document.querySelector('#filter').dispatchEvent(new Event('input'))")
        assert all("SIGKILL" in line for line in browser.text("#log").splitlines())
        assert browser.said == []


def hostile_run(folder: Path) -> Path:
    """Run over columns with hostile names, from a file with one."""
    table = folder / f"{HOSTILE.replace('/', '')}.csv"
    rows = "".join(f"{i % 7},{i % 5},{i % 3}\n" for i in range(50))
    table.write_text(f'"{HOSTILE}","{SCRIPT_END}","]]>"\n{rows}')
    done = run_master(folder, *options(input_path=table), "--quiet", "--report", "run.html")
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "run.html"


def test_hostile_names_are_data(tmp_path: Path) -> None:
    report = hostile_run(tmp_path)
    assert snapshot_in(report)["columns"][:2] == [HOSTILE, SCRIPT_END]
    text = report.read_text()
    assert HOSTILE not in text
    assert text.count("<script") == 2


@needs_browser
def test_hostile_names_are_inert(tmp_path: Path) -> None:
    report = hostile_run(tmp_path)
    with serving(tmp_path) as address, Browser(tmp_path / "profile") as browser:
        for page in (report.as_uri(), address):
            browser.open(page)
            browser.wait("document.querySelector('#scatter circle') !== null")
            assert browser.value("document.querySelectorAll('img').length") == 0
            assert browser.value("document.querySelectorAll('script').length") == 2
            assert HOSTILE in browser.text("#clusters")
            assert HOSTILE in browser.text("#about")
            assert browser.said == []


def test_the_server_of_a_run_ends_when_the_master_is_killed(tmp_path: Path) -> None:
    with BackgroundRun(tmp_path, *LONG, "--ui") as run:
        run.wait_for(IterationFinished, iteration=1)
        children = psutil.Process(run.process.pid).children(recursive=True)
        (server,) = [each for each in children if "ui" in each.cmdline()]
        run.process.kill()
        wait_until(
            lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, "end of the server"
        )
