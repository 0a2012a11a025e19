"""What a worker is doing: each attempt once, however often it is ordered, and a measure of progress."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from common.model import Attempt

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class Attempts:
    """The attempts of the newest stage: those in progress, and what came of the others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Attempt, Future[Any]] = {}
        self._steps = 0

    def run(self, attempt: Attempt, work: Callable[[], _Result]) -> _Result:
        """Do the work of an attempt; if it was ordered before, join it, or return what it returned.

        The master asks again when an answer got lost on its way. Errors count as results here.
        """
        with self._lock:
            if mine := attempt not in self._known:
                self._forget_before(attempt.stage.sequence)
            future = self._known.setdefault(attempt, Future())
        if mine:
            try:
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)
        result: _Result = future.result()
        return result

    def step(self) -> None:
        """Note that work goes on, where it takes no processor time: in waiting for the wire, say."""
        self._steps += 1

    def counted(self, items: Iterable[_Item]) -> Iterator[_Item]:
        """Pass items on, each a step."""
        for item in items:
            self.step()
            yield item

    def in_progress(self) -> int:
        """Return how many attempts run."""
        with self._lock:
            return sum(not future.done() for future in self._known.values())

    def progress(self) -> int:
        """Return a number that grows while work goes on: steps, and half seconds of processor time."""
        return self._steps + int(2 * time.process_time())

    def _forget_before(self, stage: int) -> None:
        for attempt, future in list(self._known.items()):
            if attempt.stage.sequence < stage and future.done():
                del self._known[attempt]
