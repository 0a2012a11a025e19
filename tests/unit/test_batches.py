"""Items handed over in batches."""

import threading

from common.batches import Batches


def test_items_come_in_their_order_and_together() -> None:
    taken: list[list[int]] = []
    come = threading.Event()

    def take(items: list[int]) -> None:
        taken.append(items)
        come.set()

    batches = Batches(take, 0.01)
    batches.put(1)
    batches.put(2)
    assert come.wait(10)
    batches.close()
    assert [item for items in taken for item in items] == [1, 2]


def test_a_flush_hands_over_at_once_what_waits() -> None:
    taken: list[list[int]] = []
    batches = Batches(taken.append, 3600)
    for item in range(3):
        batches.put(item)
    batches.flush()
    batches.flush()
    assert taken == [[0, 1, 2]]
    batches.put(3)
    batches.close()
    assert taken == [[0, 1, 2], [3]]


def test_a_close_ends_the_thread() -> None:
    before = threading.active_count()
    batches: Batches[int] = Batches(lambda items: None, 3600)
    batches.put(1)
    batches.close()
    for thread in threading.enumerate():
        if thread.name == "batches":
            thread.join(10)
    assert threading.active_count() == before


def test_a_flush_waits_no_longer_than_it_may() -> None:
    """A batch that is on its way, and stays there, holds up nobody who can't wait."""
    taking, go_on = threading.Event(), threading.Event()

    def take(items: list[int]) -> None:
        taking.set()
        go_on.wait(10)

    batches = Batches(take, 0.0)
    batches.put(1)
    assert taking.wait(10)
    batches.flush(timeout_s=0.01)
    assert not go_on.is_set()
    go_on.set()
    batches.close()
