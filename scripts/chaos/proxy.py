"""A TCP proxy that treats what it passes on badly when told to, and well again when healed."""

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


class Way(Flag):
    """Where bytes go: from who connected, or back to it."""

    THERE = auto()
    BACK = auto()
    BOTH = THERE | BACK


@dataclass(frozen=True)
class Fault:
    """What becomes of the bytes that go these ways.

    Parameters
    ----------
    ways
        Others are left in peace.
    latency_s
        Each piece is late by so much.
    hole
        Nothing arrives while this lasts; as after TCP's own repair, nothing is missing afterwards.
    piece_bytes
        So many bytes a piece, to be had with latency_s: a slow link.
    cut_after
        The connection is reset after so many bytes; 0: as soon as there is one.
    flip_at
        One bit of the byte after so many is flipped, once.
    """

    ways: Way = Way.BOTH
    latency_s: float = 0.0
    hole: bool = False
    piece_bytes: int = _PIECE_BYTES
    cut_after: int | None = None
    flip_at: int | None = None


_NONE = Fault(Way(0))


class Proxy:
    """Passes connections on to a target, "HOST:PORT", from an address of its own; a context manager."""

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
        """Refuse and reset everything from now on."""
        with self._changed:
            self._closed = True
        self.heal()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def spoil(self, fault: Fault) -> None:
        """Be bad, on connections that are there and new ones."""
        with self._changed:
            self._fault, self._passed = fault, 0
            self._changed.notify_all()

    def heal(self) -> None:
        """Be good again."""
        self.spoil(_NONE)

    def reset(self) -> None:
        """Reset all connections there are."""
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
        there = threading.Thread(target=self._pump, args=(near, far, Way.THERE), daemon=True)
        there.start()
        self._pump(far, near, Way.BACK)
        there.join()
        self._drop(link)

    def _pump(self, source: socket.socket, sink: socket.socket, way: Way) -> None:
        """Pass on what comes until there is no more, or the connection is cut."""
        try:
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := source.recv(_PIECE_BYTES):
                while data:
                    piece, cut = self._suffer(data, way)
                    sink.sendall(piece)
                    if cut:
                        raise ConnectionResetError
                    data = data[len(piece) :]
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop((source, sink) if way is Way.THERE else (sink, source))

    def _suffer(self, data: bytes, way: Way) -> tuple[bytes, bool]:
        """Return what arrives of the data's beginning, in time, and whether the connection is cut then."""
        with self._changed:
            fault = self._fault
            if way in fault.ways and fault.latency_s:
                self._changed.wait_for(lambda: self._fault is not fault, fault.latency_s)
            self._changed.wait_for(lambda: not (self._fault.hole and way in self._fault.ways))
            fault = self._fault
            if way not in fault.ways:
                return data, False
            piece, start = bytearray(data[: fault.piece_bytes]), self._passed
            self._passed += len(piece)
            if fault.flip_at is not None and start <= fault.flip_at < self._passed:
                piece[fault.flip_at - start] ^= 1
            if fault.cut_after is not None and self._passed > fault.cut_after:
                return bytes(piece[: max(0, fault.cut_after - start)]), True
            return bytes(piece), False

    def _drop(self, link: tuple[socket.socket, socket.socket]) -> None:
        """Reset both ends of a connection, if that is still to be done."""
        with self._changed:
            if link not in self._links:
                return
            self._links.remove(link)
        for end in link:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
                end.shutdown(socket.SHUT_RDWR)  # wakes who reads from it
            end.close()
