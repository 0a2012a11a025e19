"""Drive a headless Chromium by its pipe; tests that need one are skipped where there is none."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.programs import wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


class Browser:
    """One page of a browser with a profile of its own; `said` is what it complained of."""

    def __init__(self, profile: Path, width: int = 1200) -> None:
        to_browser, from_browser = os.pipe(), os.pipe()
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"),
            f"--user-data-dir={profile}",
        ]
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}',
                "-",
                str(CHROMIUM),
                *options,
            ],
            pass_fds=[to_browser[0], from_browser[1]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        self._out, self._in = os.fdopen(to_browser[1], "wb"), os.fdopen(from_browser[0], "rb")
        self._rest = b""
        self._last = 0
        self.said: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = ""
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        size = {"width": width, "height": 1600, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self._out.close()
        self._in.close()
        self._process.kill()
        self._process.wait()

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the browser's protocol; return its result."""
        self._last += 1
        session = getattr(self, "_session", "")
        order = {"id": self._last, "method": method, "params": parameters}
        self._out.write(json.dumps(order | ({"sessionId": session} if session else {})).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._next()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]
            self._listen(answer)

    def open(self, address: str) -> None:
        """Show a page."""
        self.call("Page.navigate", url=address)
        self.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def wait(self, expression: str) -> Any:
        """Wait until an expression is true; return its value."""
        return wait_until(lambda: self.value(expression), expression)

    def text(self, selector: str) -> str:
        """Return the text of an element."""
        found: str = self.value(f"document.querySelector({json.dumps(selector)}).textContent")
        return found

    def press(self, key: str) -> None:
        """Press a key."""
        text = key if len(key) == 1 else ""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def _listen(self, event: dict[str, Any]) -> None:
        about = event.get("params", {})
        match event.get("method"):
            case "Log.entryAdded":
                self.said.append(about["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.said.append(str(about["exceptionDetails"]))
            case "Runtime.consoleAPICalled":
                self.said.append(str(about["args"]))
            case "Page.javascriptDialogOpening":
                self.said.append(f"dialog: {about['message']}")

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._in.fileno(), 1 << 16)
            assert read, "the browser has ended"
            self._rest += read
        message, _, self._rest = self._rest.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found
