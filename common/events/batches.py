"""Items handed over in batches by a thread of its own: who puts an item does not wait."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Batches(Generic[_Item]):
    """Gives items to `take`: in their order, at least one, never from two threads at a time.

    After each batch it waits for `pause_s`. So a single item goes at once, and those of a burst together.
    """

    def __init__(self, take: Callable[[list[_Item]], None], pause_s: float) -> None:
        self._take = take
        self._pause_s = pause_s
        self._items: deque[_Item] = deque()
        self._some = threading.Event()
        self._closed = threading.Event()
        self._taking = threading.Lock()
        threading.Thread(target=self._run, name="batches", daemon=True).start()

    def put(self, item: _Item) -> None:
        """Hand over an item, soon; from any thread."""
        self._items.append(item)
        if not self._some.is_set():
            self._some.set()

    def flush(self, timeout_s: float = -1) -> None:
        """Hand over now all that was put; if a batch is on its way, wait for that, but not longer."""
        if not self._taking.acquire(timeout=timeout_s):
            return
        try:
            items = [self._items.popleft() for _ in range(len(self._items))]
            if items:
                self._take(items)
        finally:
            self._taking.release()

    def close(self) -> None:
        """Hand over what is left, and end the thread; what is put after that stays here."""
        self._closed.set()
        self._some.set()
        self.flush()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._some.wait()
            self._some.clear()
            self.flush()
            self._closed.wait(self._pause_s)
