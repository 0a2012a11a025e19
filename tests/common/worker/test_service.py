"""Delays and failures that the command line asks for."""

import time

import pytest

from common.errors import InjectedFailureError
from common.model import Attempt, Role, Stage, TaskOptions
from common.worker.service import Attempts, apply_task_delay, inject_failure


def attempt(task: int, number: int = 1) -> Attempt:
    return Attempt(Stage(1, "lloyd"), task, number)


def fails(task: int, rate: float, seed: int = 0, role: Role = Role.MAPPER, number: int = 1) -> bool:
    try:
        inject_failure(role, attempt(task, number), TaskOptions(fail_rate=rate, seed=seed))
    except InjectedFailureError:
        return True
    return False


@pytest.mark.parametrize(("rate", "least", "most"), [(0.0, 0, 0), (0.3, 250, 350), (1.0, 1000, 1000)])
def test_as_many_fail_as_were_asked_for(rate: float, least: int, most: int) -> None:
    assert least <= sum(fails(task, rate) for task in range(1000)) <= most


def test_the_same_attempts_fail_again_and_others_with_another_seed() -> None:
    def pattern(**which: object) -> list[bool]:
        return [fails(task, 0.5, **which) for task in range(100)]  # type: ignore[arg-type]

    assert pattern() == pattern()
    assert len({tuple(pattern(**w)) for w in ({}, {"seed": 1}, {"role": Role.REDUCER}, {"number": 2})}) == 4


def test_a_delayed_worker_shows_progress() -> None:
    attempts, began_s = Attempts(), time.monotonic()
    before = attempts.progress()
    apply_task_delay(TaskOptions(delay_s=0.05), attempts)
    assert time.monotonic() - began_s >= 0.05
    assert attempts.progress() > before
