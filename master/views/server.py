"""Serves the page of a run to browsers of this machine.

Whoever can reach a port of this machine can ask, from any page that a browser shows as well. So the server
listens on loopback alone, answers only to its own names, and only below a path that begins with a secret. It
takes no input: there is nothing but a page to get, and its stream of pictures.

A snapshot is made only while somebody looks, at most four times a second, and less often if it takes long.
"""

import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common.errors import InterruptedRunError
from master.views.report import POLICY, as_json, live_page
from master.views.server_log import FollowedLog

_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 3.0
_SHARE = 20
"""Making pictures takes at most one part of so many of a processor's time."""
_REFRESH_S = 2.0
"""While the run goes on, even if it logs nothing: times grow."""
_SILENCE_S = 10.0
_MOST_CONNECTIONS = 32
_NAMES = ("127.0.0.1", "localhost")
_HEADERS = {
    "Content-Security-Policy": f"{POLICY}; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def new_token() -> str:
    """Return a secret for the address of a page."""
    return secrets.token_urlsafe(24)


def listening_socket() -> socket.socket:
    """Listen on a free port; who connects before the server is there waits for it."""
    return socket.create_server(("127.0.0.1", 0), backlog=_MOST_CONNECTIONS)


def address_of(listening: socket.socket, token: str) -> str:
    """Return the address of the page."""
    return f"http://127.0.0.1:{listening.getsockname()[1]}/{token}/"


class Pictures:
    """The newest snapshot of a log, for all who look at it."""

    def __init__(self, log: FollowedLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._next_s = self._made_s = float("-inf")
        self._version, self._text = 0, ""
        self.over = threading.Event()

    def newest(self) -> tuple[int, str]:
        """Return the number and the text of the newest snapshot, which is made if it is time to."""
        with self._lock:
            if time.monotonic() >= self._next_s or self.over.is_set():
                self._look()
            return self._version, self._text

    def _look(self) -> None:
        is_news, begun_s = self._log.look(), time.monotonic()
        if is_news or not self._version or begun_s - self._made_s >= _REFRESH_S:
            text = as_json(self._log.state.snapshot(datetime.now(UTC)))
            if text != self._text:
                self._version, self._text = self._version + 1, text
            self._made_s = time.monotonic()
        took_s = time.monotonic() - begun_s
        self._next_s = begun_s + min(max(_PAUSE_S, _SHARE * took_s), _LONGEST_PAUSE_S)

    def stream(self) -> Iterator[str]:
        """Yield server-sent events until the run is over."""
        seen, spoke_s = 0, time.monotonic()
        while True:
            is_over = self.over.is_set()
            version, text = self.newest()
            if version != seen:
                seen, spoke_s = version, time.monotonic()
                yield f"data: {text}\n\n"
            if is_over:
                yield "event: over\ndata:\n\n"
                return
            if time.monotonic() - spoke_s >= _SILENCE_S:
                spoke_s = time.monotonic()
                yield ": nothing new\n\n"
            self.over.wait(_PAUSE_S)


class PageServer(ThreadingHTTPServer):
    """Serves one log's page at a listening socket; `end` ends it when all have the last snapshot."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, token: str, dump: Path) -> None:
        super().__init__(listening.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.token = token
        self.page = live_page().encode()
        self.pictures = Pictures(FollowedLog(dump))
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self.streams: set[threading.Thread] = set()

    def process_request(self, request: object, client_address: object) -> None:
        """Answer in a thread, unless there are too many of them."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)  # type: ignore[arg-type]
            return
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Answer, and let others come."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._free.release()

    def handle_error(self, *_: object) -> None:
        """Say nothing, a browser went away; but a signal that came meanwhile ends the server."""
        if isinstance(sys.exc_info()[1], InterruptedRunError):
            raise

    def end(self, timeout_s: float = 3.0) -> None:
        """Send the last snapshot to all who look, and end."""
        self.pictures.over.set()
        deadline_s = time.monotonic() + timeout_s
        for thread in list(self.streams):
            thread.join(max(deadline_s - time.monotonic(), 0))
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    timeout = 30
    server_version, sys_version = "page", ""

    def do_GET(self) -> None:
        """Answer with the page or its stream."""
        own = [f"{name}:{self.server.socket.getsockname()[1]}" for name in _NAMES]
        token, _, rest = self.path.removeprefix("/").partition("/")
        if self.headers.get("Host", "") not in own:
            self._refuse(421)
        elif not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._refuse(404)
        elif rest == "":
            self._begin("text/html; charset=utf-8", len(self.server.page))
            self.wfile.write(self.server.page)
        elif rest == "events":
            self._stream()
        else:
            self._refuse(404)

    def _stream(self) -> None:
        self._begin("text/event-stream")
        thread = threading.current_thread()
        self.server.streams.add(thread)
        try:
            for text in self.server.pictures.stream():
                self.wfile.write(text.encode())
        finally:
            self.server.streams.discard(thread)

    def _begin(self, kind: str, length: int | None = None) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def _refuse(self, code: int) -> None:
        self.send_response(code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_error(self, code: int, *_: object) -> None:
        """Refuse without a page: what was asked is not said again."""
        self._refuse(code)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
