"""The page as a file, and the trace: what is in them, and what can't be."""

import base64
import hashlib
import json
import re

from master.views.report import POLICY, live_page, report
from master.views.trace import trace
from tests.master.views.logs import Script, tasks_of


def script() -> Script:
    made = Script()
    made.begin(columns=("</script><script>alert(1)</script>", "<!--<script>", "a&b\u2028"))
    made.iterate(0, 5, ["0,0"], 0)
    made.iterate(1, 5, ["1,1"], 1)
    made.call("M1")
    made.wait(10)
    made.answer("M1", reason="<b>")
    made.call("M1", attempt=2)
    return made


def test_the_picture_comes_back_out_of_the_report() -> None:
    snapshot = script().snapshot()
    (found,) = re.findall(r'type="application/json">(.*?)</script>', report(snapshot))
    assert json.loads(found) == json.loads(json.dumps(snapshot))
    assert not set("<>&") & set(found)


def test_only_its_own_script_and_style_are_allowed() -> None:
    for page in (report(script().snapshot()), live_page()):
        for kind, text in re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL):
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert re.search(rf"{kind}-src 'sha256-{re.escape(digest)}'(;|$)", POLICY)
    assert "unsafe" not in POLICY
    assert " style=" not in live_page()
    assert not re.search(r"\son\w+=", re.sub(r"<script>.*?</script>", "", live_page(), flags=re.DOTALL))


def test_the_live_page_has_no_snapshot() -> None:
    assert '<script id="snapshot" type="application/json">null</script>' in live_page()


def test_each_task_is_a_span_of_its_worker() -> None:
    snapshot = script().snapshot()
    events = json.loads(trace(snapshot))["traceEvents"]
    rows = {each["args"]["name"]: each["tid"] for each in events if each["name"] == "thread_name"}
    spans = [each for each in events if each["ph"] == "X" and each["cat"] == "Map"]
    assert [each["tid"] for each in spans] == [rows["M1"]] * 2
    assert [(each["ts"], each["dur"]) for each in spans] == [(10_000, 10_000), (20_000, 0)]
    assert [each["args"]["status"] for each in spans] == [task["status"] for task in tasks_of(snapshot)]
    (news,) = [each for each in events if each["ph"] == "i"]
    assert news["name"].endswith("failed: <b>")
    assert [each["name"] for each in events if each.get("cat") == "iteration"] == ["iteration 1"]
