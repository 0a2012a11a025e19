"""An attempt is worked on once, however often it is ordered."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from common.errors import InputError
from common.model import Attempt, Stage
from common.worker.service import Attempts
from tests.programs import PATIENCE_S

FIRST = Attempt(Stage(1, "lloyd"), 0, 1)


def test_who_orders_it_again_meanwhile_joins_it() -> None:
    attempts, begun, may_end, times = Attempts(), threading.Event(), threading.Event(), []

    def work() -> object:
        times.append(1)
        begun.set()
        may_end.wait(PATIENCE_S)
        return object()

    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(attempts.run, FIRST, work)]
        assert begun.wait(PATIENCE_S)
        answers.append(pool.submit(attempts.run, FIRST, work))
        assert attempts.in_progress() == 1
        may_end.set()
        first, second = (answer.result(PATIENCE_S) for answer in answers)
    assert first is second
    assert times == [1]
    assert attempts.in_progress() == 0


def test_who_orders_it_again_later_gets_the_same_answer() -> None:
    attempts = Attempts()
    first = attempts.run(FIRST, object)
    assert attempts.run(FIRST, object) is first
    assert attempts.run(Attempt(FIRST.stage, 0, 2), object) is not first


def test_an_error_is_an_answer_too() -> None:
    attempts = Attempts()

    def fail() -> None:
        raise InputError("a bad line")

    for work in (fail, lambda: None):
        with pytest.raises(InputError, match="a bad line"):
            attempts.run(FIRST, work)


def test_answers_of_earlier_stages_are_forgotten() -> None:
    attempts = Attempts()
    first = attempts.run(FIRST, object)
    attempts.run(Attempt(Stage(2, "lloyd"), 0, 1), object)
    assert attempts.run(FIRST, object) is not first
