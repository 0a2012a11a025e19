"""Items handed over in batches."""

import queue
import threading

from common.events.batches import Batches
from tests.programs import PATIENCE_S


def test_items_come_in_their_order_and_together() -> None:
    taken: list[list[int]] = []
    come = threading.Event()

    def take(items: list[int]) -> None:
        taken.append(items)
        come.set()

    batches = Batches(take, 0.01)
    batches.put(1)
    batches.put(2)
    assert come.wait(PATIENCE_S)
    batches.close()
    assert [item for items in taken for item in items] == [1, 2]


def test_a_burst_comes_together() -> None:
    """The first is handed over at once; a flush doesn't wait for the pause to end."""
    taken: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    batches = Batches(taken.put, 3600)
    batches.put(0)
    assert taken.get(timeout=PATIENCE_S) == [0]
    for item in (1, 2, 3):
        batches.put(item)
    batches.flush()
    batches.flush()
    assert taken.get(timeout=PATIENCE_S) == [1, 2, 3]
    batches.put(4)
    batches.close()
    assert taken.get(timeout=PATIENCE_S) == [4]
    assert taken.empty()


def test_a_close_ends_the_thread() -> None:
    before = set(threading.enumerate())
    batches: Batches[int] = Batches(lambda items: None, 3600)
    batches.put(1)
    (thread,) = set(threading.enumerate()) - before
    batches.close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_flush_waits_no_longer_than_it_may() -> None:
    """A batch that is on its way, and stays there, holds up nobody who can't wait."""
    taking, go_on = threading.Event(), threading.Event()

    def take(items: list[int]) -> None:
        taking.set()
        go_on.wait(PATIENCE_S)

    batches = Batches(take, 0.0)
    batches.put(1)
    assert taking.wait(PATIENCE_S)
    batches.flush(timeout_s=0.01)
    assert not go_on.is_set()
    go_on.set()
    batches.close()
