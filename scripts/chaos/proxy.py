"""A TCP proxy that delays, blocks, cuts or corrupts what it forwards, for as long as it is told to."""

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Flag, auto
from typing import Self

_PIECE_BYTES = 1 << 16
_ABORT = struct.pack("ii", 1, 0)
"""As SO_LINGER: close by a reset."""


class Direction(Flag):
    """Which way bytes go: to the target, or from it to the client that connected."""

    TO_TARGET = auto()
    FROM_TARGET = auto()
    BOTH = TO_TARGET | FROM_TARGET


@dataclass(frozen=True)
class Fault:
    """What happens to the bytes that go in these directions.

    Parameters
    ----------
    directions
        The other direction works as usual.
    latency_s
        Each piece arrives this much later.
    blocked
        Nothing arrives while the fault lasts. All of it arrives afterwards, as when TCP sends again.
    piece_bytes
        The most bytes of a piece; small pieces with a latency make a slow link.
    cut_after
        The connection is reset after this many bytes; 0: as soon as there is one.
    flip_at
        The number of the byte in which one bit is flipped, once.
    """

    directions: Direction = Direction.BOTH
    latency_s: float = 0.0
    blocked: bool = False
    piece_bytes: int = _PIECE_BYTES
    cut_after: int | None = None
    flip_at: int | None = None


_NONE = Fault(Direction(0))


class Proxy:
    """Forwards connections to a target, "HOST:PORT", from an address of its own; a context manager."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self.target = host, int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._changed = threading.Condition()
        self._fault, self._passed = _NONE, 0
        self._links: set[tuple[socket.socket, socket.socket]] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Refuse new connections, and reset the others."""
        with self._changed:
            self._closed = True
        self.clear_fault()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def set_fault(self, fault: Fault) -> None:
        """Apply a fault to all connections, open ones and new ones, in place of the last one."""
        with self._changed:
            self._fault, self._passed = fault, 0
            self._changed.notify_all()

    def clear_fault(self) -> None:
        """Forward everything unchanged again."""
        self.set_fault(_NONE)

    def reset(self) -> None:
        """Reset all open connections."""
        with self._changed:
            links = list(self._links)
        for link in links:
            self._drop(link)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self.target, timeout=10)
        except OSError:
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            near.close()
            return
        far.settimeout(None)
        link = near, far
        with self._changed:
            self._links.add(link)
        if self._closed:
            self._drop(link)
        to_target = threading.Thread(target=self._forward, args=(near, far, Direction.TO_TARGET), daemon=True)
        to_target.start()
        self._forward(far, near, Direction.FROM_TARGET)
        to_target.join()
        self._drop(link)

    def _forward(self, source: socket.socket, sink: socket.socket, direction: Direction) -> None:
        """Forward what comes until there is no more, or the connection is cut."""
        try:
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(_PIECE_BYTES):
                while data:
                    piece, cut = self._apply_fault(data, direction)
                    sink.sendall(piece)
                    if cut:
                        raise ConnectionResetError
                    data = data[len(piece) :]
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop((source, sink) if direction is Direction.TO_TARGET else (sink, source))

    def _apply_fault(self, data: bytes, direction: Direction) -> tuple[bytes, bool]:
        """Wait as the fault says; return what arrives of the data's beginning, and whether to cut then."""
        with self._changed:
            fault = self._fault
            if direction in fault.directions and fault.latency_s:
                self._changed.wait_for(lambda: self._fault is not fault, fault.latency_s)
            self._changed.wait_for(lambda: not (self._fault.blocked and direction in self._fault.directions))
            fault = self._fault
            if direction not in fault.directions:
                return data, False
            piece, start = bytearray(data[: fault.piece_bytes]), self._passed
            self._passed += len(piece)
            if fault.flip_at is not None and start <= fault.flip_at < self._passed:
                piece[fault.flip_at - start] ^= 1
            if fault.cut_after is not None and self._passed > fault.cut_after:
                return bytes(piece[: max(0, fault.cut_after - start)]), True
            return bytes(piece), False

    def _drop(self, link: tuple[socket.socket, socket.socket]) -> None:
        """Reset both ends of a connection, unless that has been done."""
        with self._changed:
            if link not in self._links:
                return
            self._links.remove(link)
        for end in link:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads from it
            end.close()
