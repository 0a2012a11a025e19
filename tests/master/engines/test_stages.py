"""A stage's waiting ends when its cluster is dead, and not before."""

from collections.abc import Callable
from threading import Event

import pytest

from master.engines.stages import ClusterLostError, watched
from tests.programs import PATIENCE_S

LOST = "It has had no living worker for 0.1 s; once it is up again, --resume continues the run"


def wait_with(is_alive: Callable[[float], bool]) -> None:
    """Wait until somebody gives up, then fail as a client does whose tasks are cancelled."""
    given_up = Event()
    with watched("It", 0.1, is_alive, given_up.set):
        assert given_up.wait(PATIENCE_S)
        raise ValueError


@pytest.mark.parametrize(
    "answers", [[False] * 10, [True, *[False] * 10], [False] * 9 + [True] + [False] * 10]
)
def test_a_cluster_is_lost_after_ten_looks_in_a_row(answers: list[bool]) -> None:
    looks = iter(answers)
    with pytest.raises(ClusterLostError) as lost:
        wait_with(lambda look_s: next(looks))
    assert str(lost.value) == LOST
    assert list(looks) == []


def test_who_cannot_be_asked_is_not_alive() -> None:
    with pytest.raises(ClusterLostError):
        wait_with(lambda look_s: bool(1 / 0))


def test_a_block_that_ends_by_itself_is_left_alone() -> None:
    looks, given_up = [Event() for _ in range(30)], Event()
    left = iter(looks)

    def is_alive(_look_s: float) -> bool:
        next(left, looks[-1]).set()
        return True

    with watched("It", 0.1, is_alive, given_up.set):
        assert looks[-1].wait(PATIENCE_S)
    assert not given_up.is_set()
